//! A repository with two recipes: one copies a file out of the source that a server of the test has,
//! and the image is that file.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex};

use plan::digest::Digest;

use crate::place::XTASK;

/// A server that gives one file to whoever asks, and counts.
pub(crate) struct Server {
    url: String,
    counts: Arc<Mutex<BTreeMap<String, usize>>>,
}

impl Server {
    fn with(bytes: Vec<u8>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let counts = Arc::new(Mutex::new(BTreeMap::new()));
        let seen = Arc::clone(&counts);
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (bytes, seen) = (bytes.clone(), Arc::clone(&seen));
                // Who is killed while it listens is no matter here.
                std::thread::spawn(move || drop(answer(&stream, &bytes, &seen)));
            }
        });
        Self { url, counts }
    }

    pub(crate) fn counts(&self) -> BTreeMap<String, usize> {
        self.counts.lock().unwrap().clone()
    }
}

fn answer(
    mut stream: &TcpStream,
    bytes: &[u8],
    seen: &Mutex<BTreeMap<String, usize>>,
) -> std::io::Result<()> {
    let mut lines = BufReader::new(stream).lines();
    let request = lines.next().unwrap_or_else(|| Ok(String::new()))?;
    let path = request.split(' ').nth(1).unwrap_or_default().to_owned();
    for line in lines {
        if line?.is_empty() {
            break;
        }
    }
    *seen.lock().unwrap().entry(path).or_default() += 1;
    write!(
        stream,
        "HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        bytes.len()
    )?;
    stream.write_all(bytes)
}

/// A repository with one recipe, whose source a server has, and an image that is its output.
pub(crate) struct Tiny {
    home: tempfile::TempDir,
    pub(crate) server: Server,
}

impl Tiny {
    /// `product` is `image` or `toolchain`: whether the output is the same on every host.
    pub(crate) fn new(product: &str) -> Self {
        let home = tempfile::tempdir().unwrap();
        let images = home.path().join("repo/images");
        std::fs::create_dir_all(&images).unwrap();
        let ours = Path::new(env!("CARGO_MANIFEST_DIR")).join("../images");
        let copied = Command::new("cp")
            .args(["-r", "aarch64", "aarch64.toml", "common", "host-tools.toml"])
            .args(["keys.toml".as_ref(), images.as_os_str()])
            .current_dir(ours)
            .status();
        assert!(copied.unwrap().success());
        let mut archive = tar::Builder::new(Vec::new());
        let bytes: Vec<u8> = (0..1_000_000_u32).map(|at| at.to_le_bytes()[1]).collect();
        let mut header = tar::Header::new_ustar();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        archive
            .append_data(&mut header, "tiny/bytes", &bytes[..])
            .unwrap();
        let archive = archive.into_inner().unwrap();
        let (size, sha256) = (archive.len(), Digest::of(&archive));
        let tiny = Self {
            home,
            server: Server::with(archive),
        };
        let url = &tiny.server.url;
        let head = "version = \"1\"\nlicense = \"MIT\"\nsummary = \"one file\"\nscope = \"arch\"\n";
        tiny.write("images/images.lock", "version = 1\n");
        tiny.write(
            "recipes/image/recipe.toml",
            &format!(
                "name = \"image\"\nproduct = \"image\"\n{head}[gather]\n\
                 kernel = {{ recipe = \"toolchain\", path = \"kernel\" }}\n"
            ),
        );
        tiny.write(
            "recipes/toolchain/recipe.toml",
            &format!(
                "name = \"toolchain\"\nproduct = \"{product}\"\n{head}script = \"build.sh.hbs\"\n\
                 [[source]]\nname = \"tiny\"\nfile = \"tiny.tar\"\nsize = {size}\n\
                 sha256 = \"{sha256}\"\nlocations = [\"{url}/tiny.tar\"]\n"
            ),
        );
        tiny.write(
            "recipes/toolchain/build.sh.hbs",
            "sleep 0.3\ncp \"$SRC/tiny/bytes\" \"$OUT/kernel\"\n",
        );
        tiny
    }

    fn write(&self, path: &str, text: &str) {
        let path = self.home.path().join("repo").join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    /// A store of a name.
    pub(crate) fn store(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    /// The program over a store.
    pub(crate) fn xtask(&self, store: &str, args: &[&str]) -> Command {
        let mut command = Command::new(XTASK);
        for name in [
            "KILN_MIRROR",
            "CARGO_TERM_COLOR",
            "http_proxy",
            "HTTP_PROXY",
        ] {
            command.env_remove(name);
        }
        command
            .env("CARGO_MANIFEST_DIR", self.home.path().join("repo/xtask"))
            .env("KILN_STORE", self.store(store))
            .env("KILN_DEBIAN_MIRROR", &self.server.url)
            .env("NO_COLOR", "1")
            .args(args)
            .args(["--arch", "aarch64"]);
        command
    }
}
