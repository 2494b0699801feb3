//! What a process tells of itself: spans to a collector, whatever the log leaves out; figures for Prometheus.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc;

use serde_json::json;

use crate::product::{Folder, PATIENCE, Product, post};

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const CALLER: &str = "00f067aa0ba902b7";

/// A collector that is busy at first, and the bodies it is sent.
fn collector() -> (SocketAddr, mpsc::Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let at = listener.local_addr().unwrap();
    let (heard, bodies) = mpsc::channel();
    std::thread::spawn(move || {
        let mut answers = ["503 Service Unavailable"].into_iter().chain(std::iter::repeat("200 OK"));
        for line in listener.incoming() {
            // A test that has what it wants listens no more.
            let (Ok(line), Some(answer)) = (line, answers.next()) else { break };
            let body = receive(line, answer);
            if answer == "200 OK" && heard.send(body).is_err() {
                break;
            }
        }
    });
    (at, bodies)
}

/// Reads one request, and answers it.
fn receive(mut line: TcpStream, answer: &str) -> String {
    let mut request = String::new();
    let mut buffer = [0; 4096];
    loop {
        if let Some((head, body)) = request.split_once("\r\n\r\n") {
            let length =
                head.lines().find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length: ")?.parse().ok());
            if body.len() >= length.unwrap_or(0) {
                break;
            }
        }
        match line.read(&mut buffer) {
            Ok(read) if read > 0 => request.push_str(&String::from_utf8_lossy(&buffer[..read])),
            _ => break,
        }
    }
    let _ = write!(line, "HTTP/1.1 {answer}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    request
}

#[test]
fn spans_reach_the_collector_and_join_the_callers_trace() {
    let folder = Folder::new();
    let (collector, bodies) = collector();
    let endpoint = format!("http://{collector}");
    let product = Product::start(&folder.0, &[("OTEL_EXPORTER_OTLP_ENDPOINT", &endpoint), ("LOG", "error")]);
    let body = json!({ "query": "query Who { __typename }" }).to_string();
    let (head, answer) = post(product.at, "/graphql", &format!("traceparent: 00-{TRACE}-{CALLER}-01\r\n"), &body);
    assert!(answer.contains("Query"), "{head} {answer}");
    let mut told = String::new();
    let wanted = [
        "POST /v1/traces ".to_owned(),
        format!("\"traceId\":\"{TRACE}\""),
        format!("\"parentSpanId\":\"{CALLER}\""),
        "\"name\":\"request\"".to_owned(),
        "\"name\":\"graphql\"".to_owned(),
        "\"graphql.operation.name\"".to_owned(),
    ];
    while !wanted.iter().all(|wanted| told.contains(wanted)) {
        let more = bodies.recv_timeout(PATIENCE).unwrap_or_else(|_| panic!("not all of {wanted:?} in {told}"));
        told.push_str(&more);
    }
}

#[test]
fn figures_tell_operations_apart_by_name_and_outcome() {
    let folder = Folder::new();
    let product = Product::start(&folder.0, &[]);
    for _ in 0..2 {
        post(product.at, "/graphql", "", &json!({ "query": "query Who { __typename }" }).to_string());
    }
    let mut line = TcpStream::connect(product.at).unwrap();
    line.set_read_timeout(Some(PATIENCE)).unwrap();
    line.write_all(b"GET /metrics HTTP/1.1\r\nHost: tollgate\r\nConnection: close\r\n\r\n").unwrap();
    let mut figures = String::new();
    line.read_to_string(&mut figures).unwrap();
    let wanted = "tollgate_graphql_operations_total{type=\"query\",name=\"Who\",outcome=\"OK\"} 2\n";
    assert!(figures.contains(wanted), "{figures}");
    assert!(figures.contains("tollgate_graphql_points_total 2\n"), "{figures}");
}
