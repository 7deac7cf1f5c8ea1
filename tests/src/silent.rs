//! Peers that the tests cannot play themselves, in Python: they go away, or never come, without a word.

use std::process::Command;

use crate::Running;
use crate::peer::port_of;

/// A port that neither accepts nor refuses. It ends after a line.
const BLACK_HOLE: &str = r#"
import socket, sys
listener = socket.socket()
listener.bind(("127.0.0.1", 0))
listener.listen(0)
filling = []
while True:
    s = socket.socket()
    s.settimeout(0.5)
    filling.append(s)
    try:
        s.connect(listener.getsockname())
    except socket.timeout:
        break
print("PORT", listener.getsockname()[1], flush=True)
sys.stdin.readline()
"#;

/// One that answers one request, and vanishes after a line: its side of the connection is gone, and nothing was said
/// about it. `TCP_REPAIR` does that, for those who may use it. Then one that answers.
const VANISH: &str = r#"
import socket, struct, sys
listener = socket.socket()
listener.bind(("127.0.0.1", 0))
listener.listen()
print("PORT", listener.getsockname()[1], flush=True)
def exactly(peer, n):
    data = b""
    while len(data) < n:
        data += peer.recv(n - len(data))
    return data
def serve():
    peer, _ = listener.accept()
    request = exactly(peer, struct.unpack(">H", exactly(peer, 2))[0])
    answer = eval(sys.argv[1])
    peer.sendall(struct.pack(">H", len(answer)) + answer)
    return peer
first = serve()
sys.stdin.readline()
try:
    first.setsockopt(socket.IPPROTO_TCP, 19, 1)
except OSError as e:
    print("REFUSED", e, flush=True)
    sys.exit(0)
first.close()
print("VANISHED", flush=True)
second = serve()
second.recv(1)
"#;

fn python(script: &str, argument: &str) -> (Running, u16) {
    let mut command = Command::new("python3");
    command.args(["-c", script, argument]);
    let mut running = Running::other(command);
    let port = port_of(&mut running);
    (running, port)
}

/// A port to which no connection can be made, and none fails. A line ends it.
pub fn black_hole() -> (Running, u16) {
    python(BLACK_HOLE, "")
}

/// A peer that serves one frame, and another one after [`vanish`]. `answer`: what to make of the content `request`, in
/// Python.
pub fn vanishing(answer: &str) -> (Running, u16) {
    python(VANISH, answer)
}

/// Makes it vanish. False if the system does not let it.
pub fn vanish(peer: &mut Running) -> bool {
    peer.write("now\n");
    peer.until("its end", |peer| {
        peer.stdout().contains("VANISHED\n") || peer.stdout().contains("REFUSED")
    });
    let refused = peer.stdout().contains("REFUSED");
    if refused {
        crate::skipped(
            &format!(
                "the system does not allow TCP_REPAIR: {}",
                peer.stdout().trim_end()
            ),
            "run the tests as root, or with the capability CAP_NET_ADMIN",
        );
    }
    !refused
}
