"""The bundled plugin `etcd`: a backend that has its leader from etcd. Loaded through its entry point.

settings   what `[plugins.etcd]` can hold
store      what this plugin asks of etcd: values and a protocol
entry      what stands in etcd
gateway    the protocol over the JSON of etcd's gRPC gateway
calls      one call: each endpoint in turn, with a token
endpoints  which one is asked first, and how each does
auth       the token for user and password
transport  one request over HTTP
tls        certificates: from files to a connection
coding     values to and from JSON
watching   the messages of one watch
faults     what etcd's errors mean
"""
