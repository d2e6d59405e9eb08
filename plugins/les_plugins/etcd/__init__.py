"""The bundled plugin `etcd`: a backend that has its leader from etcd. Loaded through its entry point.

settings  what `[plugins.etcd]` can hold
store     what this plugin asks of etcd: values and a protocol
entry     what stands in etcd
"""
