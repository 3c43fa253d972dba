//! rustls-client ADDRESS SIZE...: downloads and uploads bodies of these sizes
//! from the server of package sessiontest, each on a connection of its own at
//! the same place in memory, and then all on one connection.
use rustls::client::{ServerCertVerified, ServerCertVerifier};
use rustls::{Certificate, ClientConfig, ClientConnection, Error, ServerName, StreamOwned};
use std::io::{Read, Write};
use std::{env, net::TcpStream, sync::Arc, time::SystemTime};

struct Anybody;

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self, _: &Certificate, _: &[Certificate], _: &ServerName, _: &mut dyn Iterator<Item = &[u8]>, _: &[u8], _: SystemTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }
}

type Stream = StreamOwned<ClientConnection, TcpStream>;

fn connect(config: &Arc<ClientConfig>, address: &str) -> Stream {
    let connection = ClientConnection::new(config.clone(), ServerName::try_from("localhost").unwrap()).unwrap();
    StreamOwned::new(connection, TcpStream::connect(address).unwrap())
}

/// The bytes of package sessiontest: what is sent back is what was downloaded.
fn send(stream: &mut Stream, method: &str, target: &str, close: bool, body: &[u8]) {
    let connection = if close { "close" } else { "keep-alive" };
    write!(stream, "{method} {target} HTTP/1.1\r\nHost: localhost\r\nConnection: {connection}\r\n").unwrap();
    write!(stream, "Content-Length: {}\r\n\r\n", body.len()).unwrap();
    stream.write_all(body).unwrap();
    stream.flush().unwrap();
}

/// Reads the answer, and returns its body: up to the end of the connection, or
/// as long as its head says.
fn receive(stream: &mut Stream, close: bool) -> Vec<u8> {
    let (mut got, mut piece) = (Vec::new(), [0; 5000]);
    loop {
        let n = stream.read(&mut piece).unwrap();
        got.extend_from_slice(&piece[..n]);
        if let Some(end) = got.windows(4).position(|w| w == b"\r\n\r\n").map(|at| at + 4) {
            let head = String::from_utf8_lossy(&got[..end]).to_lowercase();
            let length = head.split("content-length: ").nth(1).map(|s| s.split("\r\n").next().unwrap().parse().unwrap());
            if n == 0 || !close && length.map_or(false, |l: usize| got.len() >= end + l) {
                return got.split_off(end);
            }
        }
    }
}

fn main() {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let config = ClientConfig::builder().with_safe_defaults().with_custom_certificate_verifier(Arc::new(Anybody)).with_no_client_auth();
    let config = Arc::new(config);
    for n in &arguments[1..] {
        let mut download = connect(&config, &arguments[0]);
        send(&mut download, "GET", &format!("/bytes/{n}"), true, b"");
        let body = receive(&mut download, true);
        drop(download);
        let mut chunked = connect(&config, &arguments[0]);
        send(&mut chunked, "GET", &format!("/chunked/{n}"), true, b"");
        receive(&mut chunked, true);
        drop(chunked);
        let mut upload = connect(&config, &arguments[0]);
        send(&mut upload, "POST", &format!("/upload?{n}"), true, &body);
        receive(&mut upload, true);
    }
    let mut all = connect(&config, &arguments[0]);
    for n in &arguments[1..] {
        send(&mut all, "GET", &format!("/bytes/{n}?again"), false, b"");
        let body = receive(&mut all, false);
        send(&mut all, "POST", &format!("/upload?{n}-again"), false, &body);
        receive(&mut all, false);
    }
}
