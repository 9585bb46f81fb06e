//! A server on the loopback interface whose answers are written by hand, byte for byte.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

/// What a connection is answered with: the head of the request, and where to write.
pub(crate) trait Answer: Fn(&str, &mut dyn Connection) + Send + Sync + 'static {}
impl<T: Fn(&str, &mut dyn Connection) + Send + Sync + 'static> Answer for T {}

pub(crate) trait Connection: Read + Write {
    /// Waits until the client has gone away: the server that never answers.
    fn hang(&mut self) {
        let mut sink = [0; 64];
        while self.read(&mut sink).is_ok_and(|length| length > 0) {}
    }
}
impl<T: Read + Write> Connection for T {}

/// Writes; that a client has gone away is no matter.
pub(crate) fn say(to: &mut dyn Connection, bytes: impl AsRef<[u8]>) {
    let _ = to.write_all(bytes.as_ref()).and_then(|()| to.flush());
}

/// Writes the same over and over, until the client goes away.
pub(crate) fn say_for_ever(to: &mut dyn Connection, bytes: impl AsRef<[u8]>) {
    while to.write_all(bytes.as_ref()).and_then(|()| to.flush()).is_ok() {}
}

/// A whole answer. `head` is the status and further headers, on lines of their own.
pub(crate) fn answer(head: &str, body: impl AsRef<[u8]>) -> Vec<u8> {
    let body = body.as_ref();
    let rest = format!("Content-Length: {}\nConnection: close\n\n", body.len());
    let head = format!("HTTP/1.1 {head}\n{rest}").replace('\n', "\r\n");
    [head.as_bytes(), body].concat()
}

pub(crate) struct Server {
    address: SocketAddr,
    requests: Arc<Mutex<Vec<String>>>,
    stop: Arc<AtomicBool>,
}

impl Server {
    /// One connection, one request, one call of `answer`, on a thread of its own.
    pub(crate) fn start(answer: impl Answer) -> Self {
        Self::start_on("127.0.0.1", answer).unwrap()
    }

    /// The same on another address.
    pub(crate) fn start_on(host: &str, answer: impl Answer) -> std::io::Result<Self> {
        Self::with_wrapper(host, answer, |stream, serve| serve(stream))
    }

    /// The same over TLS.
    pub(crate) fn start_tls(config: Arc<rustls::ServerConfig>, answer: impl Answer) -> Self {
        let started = Self::with_wrapper("127.0.0.1", answer, move |stream, serve| {
            if let Ok(tls) = rustls::ServerConnection::new(Arc::clone(&config)) {
                let mut stream = rustls::StreamOwned::new(tls, stream.try_clone().unwrap());
                serve(&mut stream);
                stream.conn.send_close_notify();
                let _ = stream.flush();
            }
        });
        started.unwrap()
    }

    fn with_wrapper(
        host: &str,
        answer: impl Answer,
        wrap: impl Fn(&mut TcpStream, &mut dyn FnMut(&mut dyn Connection)) + Send + Sync + 'static,
    ) -> std::io::Result<Self> {
        let listener = TcpListener::bind((host, 0))?;
        let address = listener.local_addr()?;
        let requests = Arc::new(Mutex::new(Vec::new()));
        let stop = Arc::new(AtomicBool::new(false));
        let (seen, stopped) = (Arc::clone(&requests), Arc::clone(&stop));
        let shared = Arc::new((answer, wrap, seen));
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                if stopped.load(Ordering::Relaxed) {
                    break;
                }
                let (Ok(mut stream), shared) = (stream, Arc::clone(&shared)) else { continue };
                std::thread::spawn(move || {
                    let (answer, wrap, seen) = &*shared;
                    wrap(&mut stream, &mut |connection| {
                        if let Some(head) = read_head(connection) {
                            seen.lock().unwrap().push(head.clone());
                            answer(&head, connection);
                        }
                    });
                });
            }
        });
        Ok(Self { address, requests, stop })
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// The heads of all requests so far.
    pub(crate) fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        let _ = TcpStream::connect(self.address);
    }
}

fn read_head(from: &mut dyn Connection) -> Option<String> {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        if from.read(&mut byte).ok()? == 0 || head.len() > 65_536 {
            return None;
        }
        head.push(byte[0]);
    }
    String::from_utf8(head).ok()
}

/// The path a request asks for.
pub(crate) fn path_of(head: &str) -> &str {
    head.split(' ').nth(1).unwrap_or_default()
}
