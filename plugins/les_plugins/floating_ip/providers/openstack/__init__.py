"""OpenStack: floating IPs of Neutron. Private to `floating_ip`.

keystone   tokens, and where Neutron is
neutron    the table, and the one class
"""
