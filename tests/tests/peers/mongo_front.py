"""A live stand-in for MongoDB: mongoeco's wire server, behind a front that says what a primary says and logs users in.

The front answers `hello`, `ismaster` and SCRAM by itself, with payloads as texts in base64 as well as binary ones, and
lets nobody through who has not logged in. Everything else goes to mongoeco and back as it is.

    python mongo_front.py USER PASSWORD

writes `PORT <number>`, and ends with its standard input. It needs Python 3.13, `mongoeco` and `pymongo` (for its BSON).
"""

import asyncio
import base64
import hashlib
import hmac
import os
import struct
import sys

import bson
from mongoeco.wire.proxy import AsyncMongoEcoProxyServer

USER, PASSWORD = sys.argv[1], sys.argv[2]
ROUNDS = 4096


def secret(mechanism):
    """The hash, its name, and what is hashed in the place of the password."""
    if mechanism == "SCRAM-SHA-1":
        digest = hashlib.md5(f"{USER}:mongo:{PASSWORD}".encode()).hexdigest()
        return "sha1", digest.encode()
    return "sha256", PASSWORD.encode()


class Login:
    """One dialogue by SCRAM (RFC 5802)."""

    def __init__(self, mechanism, first):
        self.name, password = secret(mechanism)
        header, self.bare = first[:3], first[3:]
        fields = dict(part.split("=", 1) for part in self.bare.split(","))
        if header != "n,,":
            raise ValueError("no SCRAM without a channel")
        self.known = fields["n"] == USER
        self.nonce = fields["r"] + base64.b64encode(os.urandom(18)).decode()
        salt = os.urandom(16)
        self.salted = hashlib.pbkdf2_hmac(self.name, password, salt, ROUNDS)
        self.first = f"r={self.nonce},s={base64.b64encode(salt).decode()},i={ROUNDS}"

    def mac(self, key, text):
        return hmac.new(key, text.encode(), self.name).digest()

    def finish(self, last):
        """The server's signature, or None for a wrong proof."""
        without_proof, proof = last.rsplit(",p=", 1)
        everything = f"{self.bare},{self.first},{without_proof}"
        client = self.mac(self.salted, "Client Key")
        stored = hashlib.new(self.name, client).digest()
        want = bytes(a ^ b for a, b in zip(client, self.mac(stored, everything)))
        right = without_proof == f"c=biws,r={self.nonce}"
        if not (self.known and right and hmac.compare_digest(want, base64.b64decode(proof))):
            return None
        signature = self.mac(self.mac(self.salted, "Server Key"), everything)
        return "v=" + base64.b64encode(signature).decode()


class Client:
    """A connection, and mongoeco's end for it."""

    def __init__(self, reader, writer, upstream):
        self.reader, self.writer, self.upstream = reader, writer, upstream
        self.login = None
        self.inside = False

    def answer(self, to, document):
        content = struct.pack("<IB", 0, 0) + bson.encode(document)
        self.writer.write(struct.pack("<iiii", 16 + len(content), 1, to, 2013) + content)

    def sasl(self, command):
        payload = command["payload"]
        as_text = isinstance(payload, str)
        text = base64.b64decode(payload).decode() if as_text else payload.decode()
        if "saslStart" in command:
            self.login = Login(command["mechanism"], text)
            reply, done = self.login.first, False
        elif self.inside:
            reply, done = "", True
        else:
            reply, done = self.login.finish(text), False
            if reply is None:
                return {"ok": 0.0, "errmsg": "Authentication failed.", "code": 18}
            self.inside = True
        packed = base64.b64encode(reply.encode()).decode() if as_text else reply.encode()
        return {"conversationId": 1, "done": done, "payload": packed, "ok": 1.0}

    def own(self, command):
        """What the front answers, or None for what mongoeco is asked."""
        if "ismaster" in command or "hello" in command:
            return {"ismaster": True, "isWritablePrimary": True, "maxWireVersion": 21, "minWireVersion": 0, "ok": 1.0}
        if "saslStart" in command or "saslContinue" in command:
            return self.sasl(command)
        if not self.inside:
            return {"ok": 0.0, "errmsg": "Command requires authentication", "code": 13}
        return None

    async def run(self):
        reader, writer = await asyncio.open_connection(*self.upstream)
        back = asyncio.create_task(self.back(reader))
        try:
            while True:
                head = await self.reader.readexactly(16)
                size, number, _, opcode = struct.unpack("<iiii", head)
                content = await self.reader.readexactly(size - 16)
                command = bson.decode(content[5:]) if opcode == 2013 else {}
                own = self.own(command) if command else None
                if own:
                    self.answer(number, own)
                else:
                    if "getMore" in command:
                        # mongoeco takes no number of 64 bits for it.
                        command["getMore"] = int(command["getMore"])
                        content = content[:5] + bson.encode(command)
                        head = struct.pack("<i", 16 + len(content)) + head[4:]
                    writer.write(head + content)
                    await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            back.cancel()
            writer.close()
            self.writer.close()

    async def back(self, reader):
        try:
            while data := await reader.read(65536):
                self.writer.write(data)
                await self.writer.drain()
        except ConnectionError:
            pass
        self.writer.close()


async def main():
    async with AsyncMongoEcoProxyServer() as server:
        upstream = (server.address.host, server.address.port)
        front = await asyncio.start_server(lambda r, w: Client(r, w, upstream).run(), "127.0.0.1", 0)
        print("PORT", front.sockets[0].getsockname()[1], flush=True)
        await asyncio.to_thread(sys.stdin.read)
        os._exit(0)


asyncio.run(main())
