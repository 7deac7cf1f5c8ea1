//! Real servers of databases, each on a free port of this machine and in a folder of its own.

use std::fs::Permissions;
use std::io::{BufRead as _, BufReader};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::peer;

/// How long a server may take to start.
const LIMIT: Duration = Duration::from_secs(60);

/// What is missing for `redis`, and how to get it; none if it is there.
pub const NO_REDIS: Option<&str> = missing(
    cfg!(redis_server),
    "no redis-server: apt-get install redis-server",
);
/// The same for `mariadb`.
pub const NO_MARIADB: Option<&str> = missing(
    cfg!(mariadb_server),
    "no mariadbd: apt-get install mariadb-server",
);
/// The same for `postgres`.
pub const NO_POSTGRES: Option<&str> = missing(
    cfg!(postgres_server),
    "no PostgreSQL: apt-get install postgresql",
);

const fn missing(is_there: bool, what: &str) -> Option<&str> {
    if is_there { None } else { Some(what) }
}

/// A server. It is killed when this is dropped.
pub struct Server {
    child: Child,
    dir: TempDir,
    port: u16,
    command: fn(&Path, u16, &[String]) -> Command,
    more: Vec<String>,
}

impl Server {
    /// `redis-server`, which keeps what it has acknowledged.
    pub fn redis() -> Server {
        Server::redis_with(&[])
    }

    /// `redis-server` with more arguments.
    pub fn redis_with(more: &[&str]) -> Server {
        let port = peer::port();
        Server::start(
            folder(),
            port,
            redis,
            more.iter().map(ToString::to_string).collect(),
        )
    }

    /// `mariadbd`, with a database `test` and a user `me` with the password `secret`.
    pub fn mariadb() -> Server {
        Server::mariadb_with("")
    }

    /// The same with TLS, if there is a certificate, followed by its key.
    pub fn mariadb_with(pem: &str) -> Server {
        let dir = folder();
        let file = dir.path().join("server.pem");
        let mut more = Vec::new();
        if !pem.is_empty() {
            std::fs::write(&file, pem).expect("a file");
            more = ["cert", "key"]
                .map(|what| format!("--ssl-{what}={}", file.display()))
                .to_vec();
        }
        let data = dir.path().join("data");
        let mut install = Command::new("mariadb-install-db");
        install
            .args(["--no-defaults", "--skip-test-db", "--skip-name-resolve"])
            .arg(format!("--datadir={}", data.display()))
            .args(["--innodb-log-file-size=4M", "--innodb-buffer-pool-size=8M"])
            .args(["--auth-root-authentication-method=normal"]);
        if is_root() {
            own(dir.path());
            install.arg("--user=mysql");
        }
        let done = install.output().expect("mariadb-install-db");
        assert!(
            done.status.success(),
            "{}",
            String::from_utf8_lossy(&done.stderr)
        );
        std::fs::write(
            dir.path().join("init.sql"),
            "CREATE DATABASE IF NOT EXISTS test;\n\
             CREATE USER IF NOT EXISTS 'me'@'127.0.0.1' IDENTIFIED BY 'secret';\n\
             GRANT ALL ON test.* TO 'me'@'127.0.0.1';\n\
             GRANT CONNECTION ADMIN ON *.* TO 'me'@'127.0.0.1';\n",
        )
        .expect("a file");
        Server::start(dir, peer::port(), mariadb, more)
    }

    /// PostgreSQL, with a database `test` and users with the password `secret`: `me` logs in by SCRAM-SHA-256, `old` by
    /// md5, and `plain` shows the password itself.
    pub fn postgres() -> Server {
        Server::postgres_with("")
    }

    /// The same with TLS, if there is a certificate, followed by its key.
    pub fn postgres_with(pem: &str) -> Server {
        let dir = folder();
        let data = dir.path().join("data");
        std::fs::write(dir.path().join("password"), "secret").expect("a file");
        own_by("postgres", dir.path());
        let mut init = as_postgres("initdb");
        init.args([
            "--username=me",
            "--auth=scram-sha-256",
            "--encoding=UTF8",
            "--no-sync",
            "--locale=C",
            "-D",
        ])
        .arg(&data)
        .arg(format!(
            "--pwfile={}",
            dir.path().join("password").display()
        ));
        let done = init.output().expect("initdb");
        assert!(
            done.status.success(),
            "{}",
            String::from_utf8_lossy(&done.stderr)
        );
        let logins =
            "host all old all md5\nhost all plain all password\nhost all all all scram-sha-256\n";
        std::fs::write(data.join("pg_hba.conf"), logins).expect("a file");
        let users = "CREATE DATABASE test;\nCREATE USER plain PASSWORD 'secret';\n\
                     SET password_encryption = 'md5';\nCREATE USER old PASSWORD 'secret';\n";
        let mut more = Vec::new();
        if !pem.is_empty() {
            let file = data.join("server.pem");
            std::fs::write(&file, pem).expect("a file");
            std::fs::set_permissions(&file, Permissions::from_mode(0o600)).expect("its mode");
            own_by("postgres", &file);
            for setting in [
                "ssl=on",
                "ssl_cert_file=server.pem",
                "ssl_key_file=server.pem",
            ] {
                more.extend(["-c".to_owned(), setting.to_owned()]);
            }
        }
        let mut single = as_postgres("postgres");
        single.args(["--single", "-D"]).arg(&data).arg("postgres");
        let mut single = single
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("postgres");
        let mut input = single.stdin.take().expect("its input");
        std::io::Write::write_all(&mut input, users.as_bytes()).expect("write");
        drop(input);
        assert!(single.wait().expect("it was started here").success());
        Server::start(dir, peer::port(), postgres, more)
    }

    fn start(
        dir: TempDir,
        port: u16,
        command: fn(&Path, u16, &[String]) -> Command,
        more: Vec<String>,
    ) -> Server {
        let child = spawn(command(dir.path(), port, &more));
        let mut server = Server {
            child,
            dir,
            port,
            command,
            more,
        };
        server.until_it_listens();
        server
    }

    /// One that has been killed may leave processes behind that hold its memory for a moment: then a new one gives up at
    /// once, and is started again.
    fn until_it_listens(&mut self) {
        let started = Instant::now();
        while TcpStream::connect(("127.0.0.1", self.port)).is_err() {
            assert!(started.elapsed() < LIMIT, "no server on port {}", self.port);
            std::thread::sleep(Duration::from_millis(10));
            if self.child.try_wait().expect("wait").is_some() {
                std::thread::sleep(Duration::from_millis(200));
                self.child = spawn((self.command)(self.dir.path(), self.port, &self.more));
            }
        }
    }

    /// Its port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Kills it, without a warning.
    pub fn kill(&mut self) {
        let _ = self.child.kill();
        self.child.wait().expect("it was started here");
    }

    /// Starts it again, in the same folder and on the same port.
    pub fn restart(&mut self) {
        self.child = spawn((self.command)(self.dir.path(), self.port, &self.more));
        self.until_it_listens();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A live stand-in for MongoDB; see `tests/peers/mongo_front.py`.
pub struct MongoFront {
    child: Child,
    port: u16,
}

impl MongoFront {
    /// Starts it, with one user.
    pub fn start(user: &str, password: &str) -> MongoFront {
        let front = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/peers/mongo_front.py");
        let python = option_env!("MONGOECO_PYTHON").unwrap_or("python3");
        let mut child = Command::new(python)
            .arg(front)
            .args([user, password])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("a Python with mongoeco, which the build has found");
        let out = child.stdout.take().expect("its output");
        let mut line = String::new();
        BufReader::new(out).read_line(&mut line).expect("a line");
        let port = line.strip_prefix("PORT ").map(|port| port.trim().parse());
        let port = port.expect("a port").expect("a number");
        MongoFront { child, port }
    }

    /// Its port.
    pub fn port(&self) -> u16 {
        self.port
    }
}

impl Drop for MongoFront {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn folder() -> TempDir {
    tempfile::Builder::new()
        .prefix("skynet-database-")
        .tempdir()
        .expect("temporary folder")
}

fn spawn(mut command: Command) -> Child {
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("the server's program, which the build has found")
}

fn is_root() -> bool {
    let id = Command::new("id").arg("-u").output().expect("id");
    id.stdout == b"0\n"
}

/// MariaDB does not run as root.
fn own(folder: &Path) {
    own_by("mysql", folder);
}

/// Nor does PostgreSQL.
fn own_by(user: &str, folder: &Path) {
    if !is_root() {
        return;
    }
    let done = Command::new("chown")
        .args(["-R", user])
        .arg(folder)
        .status();
    assert!(done.expect("chown").success());
}

fn mariadb(folder: &Path, port: u16, more: &[String]) -> Command {
    let program = ["/usr/sbin/mariadbd", "mariadbd"];
    let found = program.iter().find(|path| Path::new(path).is_file());
    let mut command = Command::new(found.unwrap_or(&program[1]));
    command
        .args([
            "--no-defaults",
            "--bind-address=127.0.0.1",
            "--skip-name-resolve",
        ])
        .arg(format!("--port={port}"))
        .arg(format!("--datadir={}", folder.join("data").display()))
        .arg(format!("--socket={}", folder.join("socket").display()))
        .arg(format!("--init-file={}", folder.join("init.sql").display()))
        .args(["--innodb-log-file-size=4M", "--innodb-buffer-pool-size=8M"])
        .args(["--max-allowed-packet=64M", "--character-set-server=utf8mb4"])
        .args(more);
    if is_root() {
        command.arg("--user=mysql");
    }
    command
}

/// A program of PostgreSQL, which Debian keeps in a folder for each version.
fn as_postgres(program: &str) -> Command {
    let found = std::fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .filter_map(|version| Some(version.ok()?.path().join("bin").join(program)))
        .find(|path| path.is_file());
    let path = found.unwrap_or_else(|| program.into());
    if !is_root() {
        return Command::new(path);
    }
    let mut command = Command::new("setpriv");
    command
        .args(["--reuid=postgres", "--regid=postgres", "--clear-groups"])
        .arg(path);
    command
}

fn postgres(folder: &Path, port: u16, more: &[String]) -> Command {
    let mut command = as_postgres("postgres");
    command
        .arg("-D")
        .arg(folder.join("data"))
        .args(["-h", "127.0.0.1", "-p", &port.to_string(), "-F", "-k"])
        .arg(folder)
        .args(more);
    command
}

fn redis(folder: &Path, port: u16, more: &[String]) -> Command {
    let mut command = Command::new("redis-server");
    command
        .args(["--bind", "127.0.0.1", "--port", &port.to_string()])
        .args(["--save", "", "--appendonly", "yes", "--dir"])
        .arg(folder)
        .args(more);
    command
}

/// A cluster of three masters, each with a replica.
pub struct Cluster(Vec<Server>);

impl Cluster {
    /// Starts it; every node is taken to be dead after a second without an answer.
    pub fn start() -> Cluster {
        let more = [
            "--cluster-enabled",
            "yes",
            "--cluster-node-timeout",
            "1000",
            "--cluster-config-file",
            "nodes.conf",
        ];
        let node = |_| {
            // Else it would be the other port and 10000, which may be somebody else's.
            let bus = peer::port().to_string();
            Server::redis_with(&[&more[..], &["--cluster-port", &bus]].concat())
        };
        let servers: Vec<Server> = (0..6).map(node).collect();
        let addresses = servers
            .iter()
            .map(|server| format!("127.0.0.1:{}", server.port));
        let mut create = Command::new("redis-cli");
        create.args(["--cluster", "create"]).args(addresses);
        create.args(["--cluster-replicas", "1", "--cluster-yes"]);
        let done = create.output().expect("redis-cli");
        let text = String::from_utf8_lossy(&done.stdout);
        assert!(done.status.success(), "{text}");
        let cluster = Cluster(servers);
        let started = Instant::now();
        while !cluster.is_complete() {
            assert!(started.elapsed() < LIMIT, "the cluster is not complete");
            std::thread::sleep(Duration::from_millis(50));
        }
        cluster
    }

    /// Do all nodes know that all slots are served, and which replicas have copied them?
    fn is_complete(&self) -> bool {
        self.0.iter().all(|server| {
            let port = server.port.to_string();
            let ask = |words: &[&str]| {
                let out = Command::new("redis-cli")
                    .args(["-p", &port])
                    .args(words)
                    .output();
                String::from_utf8_lossy(&out.expect("redis-cli").stdout).into_owned()
            };
            ask(&["cluster", "info"]).contains("cluster_state:ok")
                && ask(&["cluster", "slots"]).matches("127.0.0.1").count() >= 6
        })
    }

    /// The ports of all nodes.
    pub fn ports(&self) -> Vec<u16> {
        self.0.iter().map(Server::port).collect()
    }

    /// Kills the node with this port.
    pub fn kill(&mut self, port: u16) {
        let node = self.0.iter_mut().find(|server| server.port == port);
        node.expect("a node of the cluster").kill();
    }

    /// Starts it again.
    pub fn restart(&mut self, port: u16) {
        let node = self.0.iter_mut().find(|server| server.port == port);
        node.expect("a node of the cluster").restart();
    }
}
