//! A plain web server on hyper, and a client that measures any web server.
//!
//! * `http serve PORT`: a server on one thread that answers each request with its method, its target and the length of
//!   its body, as the server of `benches/lua/bench_hello.lua` does with `skynet.http.server`.
//! * `http load ADDRESS [CONNECTIONS [SECONDS]]`: prints the requests a second that a server at `HOST:PORT` answers.
//!   Each connection stays, and has one request outstanding. Each answer is compared with what is expected.
//!
//! Each is one thread, so that `taskset` can give server and client a core of their own.

use std::convert::Infallible;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use http_body_util::{BodyExt as _, Full};
use hyper::body::{Bytes, Incoming};
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> anyhow::Result<()> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    match words[..] {
        ["serve", port] => {
            let port = port.parse().context("a port is a number")?;
            let local = tokio::task::LocalSet::new();
            local.block_on(&runtime, serve(port))
        }
        ["load", address, ref more @ ..] => {
            let number = |at: usize, default| match more.get(at) {
                Some(word) => word.parse().context("not a number"),
                None => Ok(default),
            };
            let (connections, seconds) = (number(0, 64)?, number(1, 5)? as u64);
            let local = tokio::task::LocalSet::new();
            let length = Duration::from_secs(seconds);
            let rate = local.block_on(&runtime, load(address, connections, length))?;
            println!("{rate:.0} requests/s");
            Ok(())
        }
        _ => bail!("http serve PORT, or http load ADDRESS [CONNECTIONS [SECONDS]]"),
    }
}

/// Method, target and length of the body.
async fn answer(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, hyper::Error> {
    let (head, body) = request.into_parts();
    let body = body.collect().await?.to_bytes();
    let text = format!("{} {} {}", head.method, head.uri, body.len());
    let mut response = Response::new(Full::new(Bytes::from(text)));
    let kind = HeaderValue::from_static("text/plain");
    response.headers_mut().insert(CONTENT_TYPE, kind);
    Ok(response)
}

async fn serve(port: u16) -> anyhow::Result<()> {
    let listener = TcpListener::bind(("127.0.0.1", port)).await?;
    println!("PORT {}", listener.local_addr()?.port());
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        tokio::task::spawn_local(async move {
            let served = hyper::server::conn::http1::Builder::new()
                .serve_connection(TokioIo::new(stream), service_fn(answer))
                .await;
            if let Err(error) = served {
                eprintln!("a connection: {error}");
            }
            Ok::<(), Infallible>(())
        });
    }
}

async fn load(address: &str, connections: usize, length: Duration) -> anyhow::Result<f64> {
    let mut clients = Vec::new();
    let began = Instant::now();
    let until = began + length;
    for number in 0..connections {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let target = format!("/client/{number}");
        let request = format!(
            "GET {target} HTTP/1.1\r\nHost: {address}\r\nUser-Agent: bench\r\nAccept: text/plain\r\n\r\n"
        );
        let client = client(stream, request, format!("GET {target} 0"), until);
        clients.push(tokio::task::spawn_local(client));
    }
    let mut count = 0;
    for client in clients {
        count += client.await??;
    }
    Ok(count as f64 / began.elapsed().as_secs_f64())
}

/// One connection: how many requests it had answered in time.
async fn client(
    mut stream: TcpStream,
    request: String,
    expected: String,
    until: Instant,
) -> anyhow::Result<u64> {
    let mut buffer = vec![0; 4096];
    let mut count = 0;
    while Instant::now() < until {
        stream.write_all(request.as_bytes()).await?;
        let mut filled = 0;
        // Its body has a length that is known; all heads are short.
        let end = loop {
            let read = stream.read(&mut buffer[filled..]).await?;
            ensure!(read > 0, "the server has ended a connection");
            filled += read;
            let text = &buffer[..filled];
            if let Some(end) = text.windows(4).position(|part| part == b"\r\n\r\n")
                && filled >= end + 4 + expected.len()
            {
                break end + 4;
            }
        };
        let text = &buffer[..filled];
        ensure!(
            text.starts_with(b"HTTP/1.1 200 ") && &text[end..] == expected.as_bytes(),
            "not the answer: {}",
            String::from_utf8_lossy(text)
        );
        count += 1;
    }
    Ok(count)
}
