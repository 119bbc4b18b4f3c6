//! `brigade-rival`: the shop on one core, until Ctrl-C.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use brigade_rival::Error;
use brigade_rival::house::House;
use brigade_rival::serve::application;
use clap::Parser;
use rustix::rand::{GetRandomFlags, getrandom};
use rustix::thread::{CpuSet, sched_setaffinity};

/// Brigade's shop behind axum and tokio, with SQLite on Linux's file system.
#[derive(Debug, Parser)]
struct Arguments {
    /// Address and port to listen on (port 0: any free one).
    #[arg(long, default_value = "127.0.0.1:8090")]
    listen: SocketAddr,
    /// Where database and pictures lie; filled on the first start.
    #[arg(long)]
    folder: PathBuf,
    /// Books in the shop.
    #[arg(long, default_value_t = 1000)]
    items: u64,
    /// The core that everything runs on (without this: any).
    #[arg(long)]
    core: Option<usize>,
}

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("brigade-rival: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> Result<(), Error> {
    if let Some(core) = arguments.core {
        pin(core)?;
    }
    let mut secret = [0; 32];
    let random = getrandom(&mut secret, GetRandomFlags::empty());
    random.map_err(|error| refused("random bytes", error.into()))?;
    let house = House::open(Path::new(&arguments.folder), arguments.items, secret)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .enable_time()
        .build()
        .map_err(|error| refused("a tokio runtime", error))?;
    runtime.block_on(serve(arguments.listen, house))
}

fn pin(core: usize) -> Result<(), Error> {
    if core >= CpuSet::MAX_CPU {
        return Err(refused("--core", std::io::ErrorKind::InvalidInput.into()));
    }
    let mut cores = CpuSet::new();
    cores.set(core);
    sched_setaffinity(None, &cores).map_err(|error| refused("--core", error.into()))
}

async fn serve(listen: SocketAddr, house: House) -> Result<(), Error> {
    use axum::serve::ListenerExt;
    let listener = tokio::net::TcpListener::bind(listen).await;
    let listener = listener.map_err(|error| refused(&format!("--listen {listen}"), error))?;
    let address = listener.local_addr();
    let address = address.map_err(|error| refused("the address", error))?;
    println!("brigade-rival: open http://{address}/");
    // An answer goes out at once; a socket that refuses is slower, not wrong.
    let listener = listener.tap_io(|stream| drop(stream.set_nodelay(true)));
    axum::serve(listener, application(house))
        .with_graceful_shutdown(async {
            // Without signals it ends by SIGKILL only, as after this future.
            if tokio::signal::ctrl_c().await.is_err() {
                std::future::pending::<()>().await;
            }
        })
        .await
        .map_err(|error| refused("serving", error))
}

fn refused(what: &str, source: std::io::Error) -> Error {
    let what = what.to_owned();
    Error::Kernel { what, source }
}
