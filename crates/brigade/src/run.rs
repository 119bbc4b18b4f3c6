//! `brigade run` and `brigade top`.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;

use brigade_bookstore::CUSTOMERS_PER_BROWSER;
use brigade_graph::{Pipeline, Placement};
use brigade_nic::wire::{self, WirePeer};
use brigade_nic::{XDP_MTU_BYTES_MAX, interface_mtu_bytes};
use brigade_runtime::{Plan, Running};
use brigade_stage::{OptionValue, Registry};
use brigade_topology::{Machine, parse_cores};

use crate::cli::{Nic, RunArgs, TopArgs, default_disk};
use crate::emulated::WireLoad;
use crate::load::{self, Errand, Load, LoadError};
use crate::signals::Stopper;
use crate::{Error, files, pipelines, prepare, top};

/// Packets that the wire holds each way.
const WIRE_PACKETS: usize = 1024;
/// Connections that tcp and http take without being told.
const CONNECTIONS_DEFAULT: i64 = 1000;
/// The option of each stage that keeps connections.
const CONNECTIONS_MAX: &str = "connections_max";
/// The most that the portal and tcp can be told.
const PORTAL_CONNECTIONS_MOST: i64 = 60_000;
const TCP_CONNECTIONS_MOST: i64 = 1_000_000;
/// The load's time that is not counted.
const WARM_UP: Duration = Duration::from_secs(1);
/// Between two looks whether to stop while the load begins.
const LOOK: Duration = Duration::from_millis(100);

/// `brigade top`.
pub fn top(args: &TopArgs) -> Result<(), Error> {
    let options = top::TopOptions {
        pid: args.pid,
        once: args.once,
        json: args.json,
        interval_ms: args.interval_ms,
    };
    match args.machine.linux {
        true => Ok(crate::linux::top(&options, &args.machine)?),
        false => Ok(top::run(&options)?),
    }
}

/// `brigade run`.
pub fn run(args: &RunArgs, registry: &Registry) -> Result<(), Error> {
    let mut pipeline = pipelines::named(&args.pipeline, registry)?;
    apply(args, &mut pipeline, registry)?;
    let cores = cores(args)?;
    let placement = pipelines::placement(&args.placement, &pipeline, &cores)?;
    check_cores(&placement)?;
    // Nobody would notice a port in use while an image is made; look first.
    if let Some(listen) = listen_address(&pipeline) {
        prepare::check_listen(&listen)?;
    }
    let stopper = Stopper::new()?;
    let image = match prepare::image(args, &pipeline, registry, cores[0], &stopper) {
        // Being asked to stop is an orderly end, here as later.
        Err(interrupted @ Error::Interrupted { .. }) => {
            eprintln!("brigade: {interrupted}");
            return Ok(());
        }
        image => image?,
    };
    if stopper.stopped() {
        return Ok(());
    }
    let items = image.items;
    let mut plan = Plan::new(pipeline, placement);
    plan.cohort = args.cohort as usize;
    prepare::hand_in_counters(&mut plan);
    prepare::hand_in(&mut plan, image);
    if let Some(nic) = stage_of_kind(&plan.pipeline, "wire") {
        return run_wire(args, plan, &nic, items, &stopper);
    }
    match stage_of_kind(&plan.pipeline, "load") {
        Some(load) => run_load(args, plan, &load, items, &stopper),
        None => run_portal(args, plan, &stopper),
    }
}

/// Puts the command line's options into the pipeline.
fn apply(args: &RunArgs, pipeline: &mut Pipeline, registry: &Registry) -> Result<(), Error> {
    let nic = ["portal", "wire", "load", "tap", "xdp", "passt"];
    let nic = nic
        .into_iter()
        .find_map(|kind| stage_of_kind(pipeline, kind));
    let wanted = args.load.map(|_| Nic::Wire).or(args.nic.clone());
    if let Some(kind) = wanted {
        let nic = nic
            .clone()
            .ok_or_else(|| misfit("--nic or --load", "nic", pipeline))?;
        let name = match &kind {
            Nic::Portal => "portal",
            Nic::Wire => "wire",
            Nic::Load => "load",
            Nic::Tap(_) => "tap",
            Nic::Xdp(_) => "xdp",
            Nic::Passt(_) => "passt",
        };
        pipeline.set_kind(&nic, name, registry)?;
        if let Nic::Passt(socket) = &kind {
            pipeline.set_option(&nic, "socket", OptionValue::text(socket))?;
        }
        if let Nic::Xdp(interface) = &kind {
            pipeline.set_option(&nic, "interface", OptionValue::text(interface))?;
            apply_xdp(interface, pipeline)?;
        }
        if let Nic::Tap(interface) = kind {
            pipeline.set_option(&nic, "interface", OptionValue::text(interface))?;
            pipeline.set_option(&nic, "offload", OptionValue::Flag(true))?;
            if let Some(tcp) = stage_of_kind(pipeline, "tcp") {
                // The kernel behind the interface computes checksums and splits packets.
                pipeline.set_option(&tcp, "offload", OptionValue::Flag(true))?;
            }
        }
    }
    apply_connections(args, pipeline)?;
    if let Some(listen) = &args.listen {
        let nic = stage_of_kind(pipeline, "portal");
        let nic = nic.ok_or_else(|| misfit("--listen", "portal", pipeline))?;
        pipeline.set_option(&nic, "listen", OptionValue::text(listen))?;
    }
    let Some(block) = stage_of_kind(pipeline, "block") else {
        return match args.disk {
            Some(_) => Err(misfit("--disk", "block", pipeline)),
            None => Ok(()),
        };
    };
    let named = pipeline
        .stages()
        .iter()
        .any(|s| s.name == block && s.options.contains_key("disk"));
    let default = (!named).then(|| default_disk().display().to_string());
    if let Some(disk) = args.disk.clone().or(default) {
        pipeline.set_option(&block, "disk", OptionValue::text(&disk))?;
        if let Some(fs) = stage_of_kind(pipeline, "fs") {
            pipeline.set_option(&fs, "disk", OptionValue::text(disk))?;
        }
    }
    Ok(())
}

/// Lets tcp make packets as an interface with AF_XDP takes them: as large as it carries, with room for
/// a frame's header before them.
fn apply_xdp(interface: &str, pipeline: &mut Pipeline) -> Result<(), Error> {
    let Some(tcp) = stage_of_kind(pipeline, "tcp") else {
        return Ok(());
    };
    let mtu_bytes = interface_mtu_bytes(interface)?.min(XDP_MTU_BYTES_MAX);
    for (option, bytes) in [("mtu_bytes", mtu_bytes), ("headroom_bytes", 16)] {
        let value = OptionValue::Integer(i64::try_from(bytes).unwrap_or(0));
        pipeline.set_option(&tcp, option, value)?;
    }
    Ok(())
}

/// How many connections there may be, and that there is room for those of a load.
fn apply_connections(args: &RunArgs, pipeline: &mut Pipeline) -> Result<(), Error> {
    if let Some(browsers) = args.load {
        // They would wait for pages of a shop that never come.
        if stage_of_kind(pipeline, "bookstore").is_none() {
            return Err(misfit("--load", "bookstore", pipeline));
        }
        have_room(pipeline, i64::from(browsers))?;
    }
    if args.idle > 0 && stage_of_kind(pipeline, "wire").is_none() {
        return Err(misfit("--idle", "wire", pipeline));
    }
    if let Some(connections) = args.connections_max {
        if stage_of_kind(pipeline, "tcp").is_none() {
            return Err(misfit("--connections-max", "tcp", pipeline));
        }
        limit_connections(pipeline, connections)?;
    }
    have_room(pipeline, i64::from(args.connections) + i64::from(args.idle))
}

fn misfit(argument: &'static str, missing: &'static str, pipeline: &Pipeline) -> Error {
    Error::Misfit {
        argument,
        pipeline: pipeline.name().to_owned(),
        missing,
    }
}

/// Lets tcp and http take as many connections as the load has, unless the pipeline itself says how
/// many they take.
fn have_room(pipeline: &mut Pipeline, connections: i64) -> Result<(), Error> {
    for kind in ["tcp", "http"] {
        let Some(name) = stage_of_kind(pipeline, kind) else {
            continue;
        };
        let stage = pipeline.stages().iter().find(|stage| stage.name == name);
        let is_said = stage.is_some_and(|stage| stage.options.contains_key(CONNECTIONS_MAX));
        // Connections in TIME-WAIT take places, too.
        let room = connections * 2;
        if !is_said && room > CONNECTIONS_DEFAULT {
            pipeline.set_option(&name, CONNECTIONS_MAX, OptionValue::Integer(room))?;
        }
    }
    Ok(())
}

/// Lets http serve so many connections, and the stages before it keep those, too, that it only tells
/// to come again or that are being closed.
fn limit_connections(pipeline: &mut Pipeline, connections: u32) -> Result<(), Error> {
    let served = i64::from(connections);
    let kept = |most: i64| held(served).min(most.max(served));
    for (kind, connections) in [
        ("portal", kept(PORTAL_CONNECTIONS_MOST)),
        ("tcp", kept(TCP_CONNECTIONS_MOST)),
        ("http", served),
    ] {
        if let Some(name) = stage_of_kind(pipeline, kind) {
            let value = OptionValue::Integer(connections);
            pipeline.set_option(&name, CONNECTIONS_MAX, value)?;
        }
    }
    Ok(())
}

/// Connections that are kept where so many are served.
fn held(served: i64) -> i64 {
    served + served / 4 + 1
}

/// The name of the first stage of `kind`.
pub(crate) fn stage_of_kind(pipeline: &Pipeline, kind: &str) -> Option<String> {
    let stage = pipeline
        .stages()
        .iter()
        .find(|stage| stage.kind.name() == kind)?;
    Some(stage.name.clone())
}

fn listen_address(pipeline: &Pipeline) -> Option<String> {
    let portal = pipeline
        .stages()
        .iter()
        .find(|stage| stage.kind.name() == "portal")?;
    let declared = portal
        .kind
        .options()
        .iter()
        .find(|option| option.name == "listen")?;
    match portal.options.get("listen").unwrap_or(&declared.default) {
        OptionValue::Text(listen) => Some(listen.clone()),
        _ => None,
    }
}

fn cores(args: &RunArgs) -> Result<Vec<usize>, Error> {
    let machine = Machine::read()?;
    let Some(list) = &args.cores else {
        return Ok(machine.ids());
    };
    let cores = parse_cores(list)?;
    machine.check(&cores)?;
    Ok(cores)
}

fn check_cores(placement: &Placement) -> Result<(), Error> {
    let cores: Vec<usize> = placement.cores().iter().map(|core| core.core).collect();
    Ok(Machine::read()?.check(&cores)?)
}

/// `web on cores 0 1 (spread): nic tcp http | bookstore db fs block`
fn describe(plan: &Plan) -> String {
    let names = |stages: &[usize]| {
        let names = stages
            .iter()
            .map(|&s| plan.pipeline.stages()[s].name.as_str());
        names.collect::<Vec<_>>().join(" ")
    };
    let cores = plan.placement.cores().iter();
    let groups: Vec<String> = cores
        .map(|core| format!("core {}: {}", core.core, names(&core.stages)))
        .collect();
    format!(
        "{} ({})  {}",
        plan.pipeline.name(),
        plan.placement.name(),
        groups.join("  |  ")
    )
}

fn run_portal(args: &RunArgs, mut plan: Plan, stopper: &Stopper) -> Result<(), Error> {
    let (sender, bound) = channel::<SocketAddr>();
    let portal = stage_of_kind(&plan.pipeline, "portal");
    if let Some(nic) = &portal {
        plan.resources(nic).put("bound", sender);
    }
    println!("brigade: {}", describe(&plan));
    let running = Running::start(plan)?;
    stopper.set(running.stop_handle());
    if portal.is_some() {
        allow_files(args);
        print_address(&bound);
    }
    if let Some(Nic::Tap(interface)) = &args.nic {
        println!(
            "brigade: http://10.7.0.1/ and http://[fd00:10:7::1]/ behind {interface}, once it has addresses: \
             ip link set {interface} up; ip addr add 10.7.0.2/24 dev {interface}; \
             ip addr add fd00:10:7::2/64 dev {interface}"
        );
    }
    if let Some(Nic::Xdp(interface)) = &args.nic {
        println!(
            "brigade: http://10.7.0.1/ and http://[fd00:10:7::1]/ at {interface}, for whoever is at its other end, with \
             10.7.0.2/24 and fd00:10:7::2/64 for example"
        );
    }
    if let Some(Nic::Passt(socket)) = &args.nic {
        println!(
            "brigade: http://10.7.0.1/ behind the passt at {socket}: if that has `--tcp-ports 8080:80`, \
             it is http://127.0.0.1:8080/"
        );
    }
    println!("brigade: `brigade top` shows the pipeline at work; Ctrl-C ends it");
    running.wait(args.duration_s.map(Duration::from_secs))?;
    println!("brigade: drained, flushed and closed");
    Ok(())
}

/// Each connection of the portal is a file of this process.
fn allow_files(args: &RunArgs) {
    let files = files::allow_many();
    // Besides the connections: the disk, the rings' bells and the like.
    let wanted = args
        .connections_max
        .map(|served| held(served.into()) as u64 + 64);
    if let (Some(files), Some(wanted)) = (files, wanted)
        && files < wanted
    {
        eprintln!(
            "brigade: the system lets this process have {files} files open; connections beyond that \
             wait (`ulimit -Hn {wanted}` before it would do)"
        );
    }
}

fn print_address(bound: &Receiver<SocketAddr>) {
    // Every stage has been made by now, so the portal has sent its address.
    if let Ok(address) = bound.try_recv() {
        println!("brigade: open http://{address}/");
    }
}

fn run_wire(
    args: &RunArgs,
    mut plan: Plan,
    nic: &str,
    items: u64,
    stopper: &Stopper,
) -> Result<(), Error> {
    let (end, peer) = wire::pair(WIRE_PACKETS).map_err(LoadError::from)?;
    plan.resources(nic).put("wire", end);
    println!("brigade: {}", describe(&plan));
    if let Some(browsers) = args.load {
        return run_browsers(args, plan, (peer, browsers as usize, items), stopper);
    }
    let load = Load {
        connections: args.connections as usize,
        errand: match args.path.as_str() {
            "order" => Errand::Order,
            path => Errand::Page(path.to_owned()),
        },
        items,
        warm_up: WARM_UP,
        idle: args.idle as usize,
        in_turn: args.in_turn,
    };
    println!(
        "brigade: {} connections on the wire ask for {}",
        load.connections, args.path
    );
    let running = Running::start(plan)?;
    let stop_load = Arc::new(AtomicBool::new(false));
    let (sender, begun) = channel();
    let thread = load::spawn(peer, load, Arc::clone(&stop_load), sender);
    let thread = thread.map_err(|e| LoadError::Thread(e.to_string()))?;
    stopper.set(running.stop_handle());
    // A load that fails says so when its thread is joined.
    while begun.recv_timeout(LOOK) == Err(RecvTimeoutError::Timeout) && !stopper.stopped() {}
    let also = match args.idle {
        0 => String::new(),
        idle => format!("{idle} further connections are open; "),
    };
    println!("brigade: {also}from here on it counts");
    let limit = args.duration_s.map(Duration::from_secs);
    // The load ends while the pipeline drains: its last answers find nobody, which is no harm.
    let result = running.wait_then(limit, || stop_load.store(true, Ordering::Relaxed));
    let outcome = thread.join();
    result?;
    let outcome = outcome.map_err(|_| LoadError::Thread("panicked".into()))??;
    report(outcome, "all threads but the load's")
}

/// Emulated browsers on the wire.
fn run_browsers(
    args: &RunArgs,
    plan: Plan,
    (peer, browsers, items): (WirePeer, usize, u64),
    stopper: &Stopper,
) -> Result<(), Error> {
    println!("brigade: {browsers} emulated browsers on the wire");
    let running = Running::start(plan)?;
    let stop_load = Arc::new(AtomicBool::new(false));
    let customers = args
        .browsers
        .map(|browsers| browsers * CUSTOMERS_PER_BROWSER);
    let who = (&args.manners, browsers, items, customers);
    let load = WireLoad::spawn(peer, who, WARM_UP, Arc::clone(&stop_load))?;
    let limit = args.duration_s.map(Duration::from_secs);
    stopper.set(running.stop_handle());
    running.wait_then(limit.map(|limit| limit + WARM_UP), || {
        stop_load.store(true, Ordering::Relaxed);
    })?;
    load.tell()
}

/// The load is a stage; what came of it comes back when the pipeline closes.
fn run_load(
    args: &RunArgs,
    mut plan: Plan,
    stage: &str,
    items: u64,
    stopper: &Stopper,
) -> Result<(), Error> {
    let books = i64::try_from(items).unwrap_or(i64::MAX);
    let connections = args.connections as usize;
    let pipeline = &mut plan.pipeline;
    pipeline.set_option(stage, "path", OptionValue::text(&args.path))?;
    pipeline.set_option(stage, "items", OptionValue::Integer(books))?;
    pipeline.set_tokens(stage, "connections", connections)?;
    let (sender, outcome) = channel::<load::Outcome>();
    plan.resources(stage).put("outcome", sender);
    println!("brigade: {}", describe(&plan));
    println!(
        "brigade: {connections} connections of the stage {stage} ask for {}",
        args.path
    );
    let running = Running::start(plan)?;
    stopper.set(running.stop_handle());
    let limit = args.duration_s.map(Duration::from_secs);
    running.wait(limit.map(|limit| limit + WARM_UP))?;
    let outcome = outcome.try_recv();
    report(outcome.map_err(|_| LoadError::NoPages)?, "all threads")
}

fn report(outcome: load::Outcome, whose: &str) -> Result<(), Error> {
    let seconds = outcome.elapsed.as_secs_f64().max(1e-9);
    let pages = outcome.pages.max(1) as f64;
    println!("pages                 {:>10}", outcome.pages);
    println!("errors                {:>10}", outcome.errors);
    println!(
        "pages/s               {:>10.0}",
        outcome.pages as f64 / seconds
    );
    println!(
        "CPU time per page     {:>10.1} us ({whose})",
        outcome.cpu.as_secs_f64() * 1e6 / pages
    );
    println!(
        "latency p50           {:>10.1} us",
        outcome.quantile_ns(0.50) as f64 / 1e3
    );
    println!(
        "latency p99           {:>10.1} us",
        outcome.quantile_ns(0.99) as f64 / 1e3
    );
    if outcome.idle_bytes > 0 {
        println!(
            "idle connection       {:>10} bytes (both ends)",
            outcome.idle_bytes
        );
    }
    if outcome.pages == 0 {
        return Err(LoadError::NoPages.into());
    }
    Ok(())
}
