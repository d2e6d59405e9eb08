"""Amazon EC2: elastic IPs, and secondary private IPs. Private to `floating_ip`.

api         the tables' common keys, and the query API: XML answers, errors by their code
signing     credentials and signatures, which are botocore's (the extra `aws`)
answers     XML from a host that may not be what it says
metadata    the instance's own network interface (IMDSv2)
eip, private_ip    one class each
"""
