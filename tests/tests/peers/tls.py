"""Talks TLS with a node on a port. Usage: tls.py PORT VERSION WHAT"""

import socket
import ssl
import sys

port, version, what = int(sys.argv[1]), sys.argv[2], sys.argv[3]
context = ssl.create_default_context(cafile="ca.pem")
context.minimum_version = context.maximum_version = {
    "1.2": ssl.TLSVersion.TLSv1_2,
    "1.3": ssl.TLSVersion.TLSv1_3,
}[version]
if what == "known":
    context.load_cert_chain("client.pem")
raw = socket.create_connection(("127.0.0.1", port), timeout=60)
with context.wrap_socket(raw, server_hostname="a.example") as tls:
    assert tls.version() == "TLSv" + version, tls.version()
    reader = tls.makefile("rb")
    for size in (1, 100, 16384, 16385, 1000000):
        tls.sendall(b"x" * size + b"\n")
        line = reader.readline()
        assert line == b"echo %d " % size + b"x" * min(size, 100) + b"\n", line
    tls.sendall(b"3000000\n")
    line = reader.readline()
    assert line == b"z" * 3000000 + b"\n", len(line)
    if what == "ends":
        # The node says that nothing more comes, and so does this end.
        tls.sendall(b"end\n")
        assert reader.readline() == b""
        tls.unwrap()
    elif what == "cut":
        raw.close()
print("GOOD", version, what)
