//! Starting the binary in a folder of its own, and asking it over HTTP.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

/// The longest anything here may take.
pub const PATIENCE: Duration = Duration::from_secs(60);
pub const PASSWORD: &str = "password-of-the-admin";

/// The binary under test: of `BINARIES`, or the one that was built with this test.
fn binary() -> PathBuf {
    match std::env::var_os("BINARIES") {
        Some(folder) => Path::new(&folder).join("graphql"),
        None => env!("CARGO_BIN_EXE_graphql").into(),
    }
}

/// A working folder that goes with its test.
pub struct Folder(pub PathBuf);

impl Folder {
    pub fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("tollgate-process-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let path = std::env::temp_dir().join(name);
        let _ = std::fs::remove_dir_all(&path);
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }
    /// What lies in it.
    pub fn names(&self) -> Vec<String> {
        let entries = std::fs::read_dir(&self.0).unwrap();
        entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// The binary with these arguments and variables, and no others of ours.
pub fn command(folder: &Path, arguments: &[&str], variables: &[(&str, &str)]) -> Command {
    let mut command = Command::new(binary());
    command.args(arguments).current_dir(folder).env_clear().env("LISTEN", "127.0.0.1:0").env("LOG", "warn");
    for (name, value) in variables {
        command.env(name, value);
    }
    command.stdin(Stdio::null());
    command
}

/// Runs a command to its end.
pub fn run(folder: &Path, arguments: &[&str], variables: &[(&str, &str)]) -> Output {
    command(folder, arguments, variables).output().unwrap()
}

/// What a process said, on both its ways.
pub fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// A process that serves.
pub struct Product {
    child: Child,
    /// Where it serves.
    pub at: SocketAddr,
    /// What it said on its way there.
    pub greeting: String,
    token: Option<String>,
}

impl Product {
    /// Starts the binary; what it said when it did not come to serve.
    pub fn try_start(folder: &Path, variables: &[(&str, &str)]) -> Result<Self, (ExitStatus, String)> {
        let mut command = command(folder, &[], variables);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut out = BufReader::new(child.stdout.take().unwrap());
        let mut greeting = String::new();
        let at = loop {
            let from = greeting.len();
            if out.read_line(&mut greeting).unwrap() == 0 {
                child.stderr.take().unwrap().read_to_string(&mut greeting).unwrap();
                return Err((child.wait().unwrap(), greeting));
            }
            if let Some(at) = greeting[from..].strip_prefix("serving on http://") {
                break at.trim().parse().unwrap();
            }
        };
        // Nobody may stop because nobody reads.
        let mut errors = child.stderr.take().unwrap();
        std::thread::spawn(move || std::io::copy(&mut out, &mut std::io::sink()));
        std::thread::spawn(move || std::io::copy(&mut errors, &mut std::io::sink()));
        Ok(Self { child, at, greeting, token: None })
    }

    /// Starts the binary, which comes to serve.
    pub fn start(folder: &Path, variables: &[(&str, &str)]) -> Self {
        Self::try_start(folder, variables).unwrap_or_else(|(status, said)| panic!("{status}: {said}"))
    }

    /// Signs the administrator in.
    pub fn sign_in(&mut self, username: &str, password: &str) {
        let input = json!({ "username": username, "password": password });
        let query = "mutation ($i: SignInInput!) { signIn(input: $i) { token } }";
        let token = self.ask(query, json!({ "i": input }))["signIn"]["token"].as_str().map(str::to_owned);
        self.token = Some(token.expect("the administrator signs in"));
    }

    /// The data of an operation's answer, which has no errors.
    pub fn ask(&self, query: &str, variables: Value) -> Value {
        let bearer = self.token.as_ref().map(|token| format!("Authorization: Bearer {token}\r\n"));
        let body = json!({ "query": query, "variables": variables }).to_string();
        let (head, body) = post(self.at, "/graphql", bearer.as_deref().unwrap_or(""), &body);
        let answer: Value = serde_json::from_str(&body).unwrap_or_else(|e| panic!("{e}: {head} {body}"));
        assert!(answer.get("errors").is_none(), "{answer}");
        answer["data"].clone()
    }

    /// Sends a signal by its name.
    pub fn signal(&self, name: &str) {
        let sent = Command::new("kill").args([&format!("-{name}"), &self.child.id().to_string()]).status().unwrap();
        assert!(sent.success());
    }

    /// Waits for its end.
    pub fn ended(mut self) -> ExitStatus {
        let began = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(began.elapsed() < PATIENCE, "it does not end");
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for Product {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Begins a POST of JSON; the answer is still to be read.
pub fn begin_post(at: SocketAddr, path: &str, headers: &str, body: &str) -> TcpStream {
    let mut line = TcpStream::connect(at).unwrap();
    line.set_read_timeout(Some(PATIENCE)).unwrap();
    let head = format!(
        "POST {path} HTTP/1.1\r\nHost: tollgate\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\
         Connection: close\r\n{headers}\r\n",
        body.len()
    );
    line.write_all(head.as_bytes()).unwrap();
    line.write_all(body.as_bytes()).unwrap();
    line
}

/// Posts JSON; the head and the body of the answer.
pub fn post(at: SocketAddr, path: &str, headers: &str, body: &str) -> (String, String) {
    let mut answer = String::new();
    begin_post(at, path, headers, body).read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no answer: {answer:?}"));
    (head.to_owned(), body.to_owned())
}
