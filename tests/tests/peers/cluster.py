"""A node of a cluster, as docs/cluster-security.md describes it, and nothing else.

python3 cluster.py plain|tls PORT SECRET

Proves the secret to the node `db` on this machine, as the node `py`, calls `@echo ECHO "from python"` there, and prints
what comes. TLS goes by libssl itself, since the module ssl has no exporter. Status 77: there is no libssl.
"""
import ctypes
import hashlib
import hmac
import os
import socket
import struct
import sys

mode, port, secret = sys.argv[1], int(sys.argv[2]), sys.argv[3].encode()

tcp = socket.create_connection(("127.0.0.1", port), timeout=30)


class Plain:
    binding = b""

    def read(self, n):
        return tcp.recv(n)

    def write(self, data):
        tcp.sendall(data)


class Tls:
    def __init__(self):
        try:
            ssl = self.ssl = ctypes.CDLL("libssl.so.3")
        except OSError:
            print("there is no libssl.so.3")
            sys.exit(77)
        for name in ("TLS_client_method", "SSL_CTX_new", "SSL_new"):
            getattr(ssl, name).restype = ctypes.c_void_p
        tcp.settimeout(None)
        context = ctypes.c_void_p(ssl.SSL_CTX_new(ctypes.c_void_p(ssl.TLS_client_method())))
        self.connection = ctypes.c_void_p(ssl.SSL_new(context))
        ssl.SSL_set_fd(self.connection, tcp.fileno())
        # The certificate says nothing: it is not looked at.
        assert ssl.SSL_connect(self.connection) == 1, "no handshake"
        out = ctypes.create_string_buffer(32)
        label = b"EXPORTER-Channel-Binding"
        done = ssl.SSL_export_keying_material(
            self.connection, out, ctypes.c_size_t(32), label, ctypes.c_size_t(len(label)), b"", ctypes.c_size_t(0), 1
        )
        assert done == 1, "no exporter"
        self.binding = out.raw

    def read(self, n):
        buffer = ctypes.create_string_buffer(n)
        got = self.ssl.SSL_read(self.connection, buffer, n)
        return buffer.raw[: max(got, 0)]

    def write(self, data):
        assert self.ssl.SSL_write(self.connection, data, len(data)) == len(data)


stream = Tls() if mode == "tls" else Plain()


def send(content):
    stream.write(struct.pack(">H", len(content)) + content)


def exactly(n):
    data = b""
    while len(data) < n:
        more = stream.read(n - len(data))
        if not more:
            sys.exit("the connection was closed")
        data += more
    return data


def receive():
    content = exactly(struct.unpack(">H", exactly(2))[0])
    if content[:2] == b"\xf5\x0f":
        print("refused %d: %s" % (content[2], content[3:].decode()))
        sys.exit(1)
    return content


def name(text):
    return bytes([len(text)]) + text


# K = HKDF-SHA256(secret, salt, info), RFC 5869: one block.
key_name = b""
extracted = hmac.new(b"skynet cluster 1", secret, hashlib.sha256).digest()
key = hmac.new(extracted, key_name + b"\x01", hashlib.sha256).digest()

hello = b"\xf5\x01\x01" + os.urandom(32) + name(b"py") + name(b"db") + name(key_name)
send(hello)
challenge = receive()
assert challenge[:3] == b"\xf5\x02\x01" and len(challenge) == 36 + challenge[35]
server = challenge[36:]
transcript = hashlib.sha256(hello + challenge + stream.binding).digest()
send(b"\xf5\x03" + hmac.new(key, b"client" + transcript, hashlib.sha256).digest())
welcome = receive()
proof = hmac.new(key, b"server" + transcript, hashlib.sha256).digest()
assert welcome[:2] == b"\xf5\x04" and hmac.compare_digest(welcome[2:], proof)
print("welcome by", server.decode())


def packed(text):
    return bytes([len(text) << 3 | 4]) + text


send(b"\x80" + name(b"@echo") + struct.pack("<I", 1) + packed(b"ECHO") + packed(b"from python"))
answer = receive()
assert answer[:5] == struct.pack("<IB", 1, 1)
print("answer:", answer[6:].decode())
