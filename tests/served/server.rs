//! Real servers on this host, one per test, stopped with it.

use std::io::{BufRead as _, BufReader, Read, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

/// Time limit for a server to listen.
const START: Duration = Duration::from_secs(60);

/// The text before the address in a registry's output.
const LISTENS: &str = "listening on ";

/// A running server.
pub(crate) struct Server {
    child: Child,
    /// `127.0.0.1:port`
    pub(crate) address: String,
    log: Arc<Mutex<String>>,
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Server {
    /// nginx, with `locations` in addition to those of the tree in its server block.
    pub(crate) fn nginx(dir: &Path, tree: &Path, locations: &str) -> Self {
        let (dir, tree) = (dir.display(), tree.display());
        loop {
            // It cannot choose a port itself. If another process takes the port, the start is
            // retried.
            let port = TcpListener::bind("127.0.0.1:0").unwrap();
            let address = port.local_addr().unwrap().to_string();
            drop(port);
            let temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"];
            let temporary = temporary.map(|what| format!("{what}_temp_path {dir}/{what};\n"));
            let config = format!(
                "daemon off; master_process off; pid {dir}/pid; error_log stderr notice;\n\
                 events {{ }}\n\
                 http {{\n\
                 log_format asked escape=none '$request_method $uri $status $http_range $http_if_range';\n\
                 access_log {dir}/access.log asked;\n{}\
                 server {{\nlisten {address};\nroot {tree};\n{locations}\n}}\n}}\n",
                temporary.concat()
            );
            let path = format!("{dir}/nginx.conf");
            std::fs::write(&path, config).unwrap();
            let mut command = Command::new(program("nginx").unwrap());
            command.args(["-c", &path, "-e", "stderr"]);
            if let Some((server, _)) = Self::start(&mut command, "OS: ") {
                return server.at(address);
            }
        }
    }

    /// Debian's `docker-registry`, with these lines of YAML in its configuration.
    pub(crate) fn registry(dir: &Path, root: &Path, more: &str) -> Self {
        let mut command = Command::new(program("docker-registry").unwrap());
        Self::started(
            command.arg("serve").arg(configured(dir, root, more)),
            LISTENS,
        )
        .unwrap()
    }

    /// The same on a disk of this size. `None` if mounts are not permitted.
    pub(crate) fn registry_on_a_small_disk(dir: &Path, root: &Path, size: &str) -> Option<Self> {
        let mut command = Command::new("unshare");
        let script =
            "mount -t tmpfs -o size=\"$SIZE\" tmpfs \"$ROOT\" && exec docker-registry serve \"$0\"";
        command.args(["--user", "--map-root-user", "--mount", "sh", "-c", script]);
        command
            .arg(configured(dir, root, ""))
            .env("ROOT", root)
            .env("SIZE", size);
        Self::started(&mut command, LISTENS)
    }

    /// A server that is compatible with S3, whose buckets are folders.
    pub(crate) fn s3(root: &Path) -> Self {
        let mut command = Command::new(program("s3s-fs").unwrap());
        command.args(["--host", "127.0.0.1", "--port", "0"]);
        command
            .args(["--access-key", "key", "--secret-key", "hidden"])
            .arg(root);
        command.env("RUST_LOG", "info");
        Self::started(&mut command, "running at http://").unwrap()
    }

    /// Starts a program that prints its address.
    fn started(command: &mut Command, says: &str) -> Option<Self> {
        let (server, line) = Self::start(command, says)?;
        Some(server.at(address_in(&line, says)))
    }

    /// Starts a program and waits for the line with its address. `None` if it ends first.
    fn start(command: &mut Command, says: &str) -> Option<(Self, String)> {
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let log = Arc::<Mutex<String>>::default();
        let (sender, lines) = mpsc::channel();
        let outputs: [Box<dyn Read + Send>; 2] = [
            Box::new(child.stdout.take().unwrap()),
            Box::new(child.stderr.take().unwrap()),
        ];
        for output in outputs {
            let (log, sender) = (Arc::clone(&log), sender.clone());
            thread::spawn(move || {
                for line in BufReader::new(output).lines().map_while(Result::ok) {
                    log.lock().unwrap().push_str(&format!("{line}\n"));
                    // After the start, no receiver is left.
                    let _ = sender.send(line);
                }
            });
        }
        drop(sender);
        let address = String::new();
        let server = Self {
            child,
            address,
            log,
        };
        let line = wait(&lines, says)?;
        Some((server, line))
    }

    fn at(mut self, address: String) -> Self {
        self.address = address;
        self
    }

    /// Its output so far.
    pub(crate) fn log(&self) -> String {
        self.log.lock().unwrap().clone()
    }
}

/// The path of a program. Servers may be on the PATH of root only, or installed by cargo.
pub(crate) fn program(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let home = std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".cargo/bin"));
    let mut folders = std::env::split_paths(&path)
        .chain(home)
        .chain(["/usr/sbin".into()]);
    folders.find_map(|folder| Some(folder.join(name)).filter(|file| file.is_file()))
}

/// The configuration of a registry, as a file.
fn configured(dir: &Path, root: &Path, more: &str) -> PathBuf {
    let storage = format!(
        "storage:\n  filesystem: {{rootdirectory: {}}}\n",
        root.display()
    );
    let config = format!("version: 0.1\nhttp: {{addr: \"127.0.0.1:0\"}}\n{storage}{more}\n");
    let path = dir.join("registry.yml");
    std::fs::write(&path, config).unwrap();
    path
}

fn address_in(line: &str, says: &str) -> String {
    let (_, address) = line.split_once(says).unwrap();
    let end = |c: char| !(c.is_ascii_digit() || ".:".contains(c));
    address.split(end).next().unwrap().to_owned()
}

fn wait(lines: &Receiver<String>, says: &str) -> Option<String> {
    loop {
        match lines.recv_timeout(START) {
            Ok(line) if line.contains(says) => return Some(line),
            Ok(_) => {}
            Err(_) => return None,
        }
    }
}

/// A file from a server, preceded by the status.
pub(crate) fn get(address: &str, path: &str, accept: &str) -> (u16, Vec<u8>) {
    let mut stream = TcpStream::connect(address).unwrap();
    write!(
        stream,
        "GET {path} HTTP/1.0\r\nHost: {address}\r\nAccept: {accept}\r\n\r\n"
    )
    .unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    let end = answer
        .windows(4)
        .position(|four| four == b"\r\n\r\n")
        .unwrap();
    let status = std::str::from_utf8(&answer[9..12])
        .unwrap()
        .parse()
        .unwrap();
    (status, answer[end + 4..].to_vec())
}

/// A proxy to a server that breaks the first connection with more than `limit` bytes.
pub(crate) fn breaking(address: &str, limit: u64) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let own = listener.local_addr().unwrap().to_string();
    let address = address.to_owned();
    thread::spawn(move || {
        let mut whole = false;
        for near in listener.incoming() {
            let (near, far) = (near.unwrap(), TcpStream::connect(&address).unwrap());
            let (mut there, mut back) = (near.try_clone().unwrap(), far.try_clone().unwrap());
            thread::spawn(move || drop(std::io::copy(&mut there, &mut back)));
            if whole {
                let (mut near, mut far) = (near, far);
                thread::spawn(move || drop(std::io::copy(&mut far, &mut near)));
                continue;
            }
            let count = std::io::copy(&mut (&far).take(limit), &mut &near).unwrap_or(0);
            whole = count == limit;
            for end in [near, far] {
                // The peer may have closed the connection.
                let _ = end.shutdown(std::net::Shutdown::Both);
            }
        }
    });
    own
}
