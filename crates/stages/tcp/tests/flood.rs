//! Opening segments that nobody goes on with: memory stays bounded and others are served.

mod world;

use std::net::Ipv4Addr;

use brigade_link::tcp::State;
use brigade_tcp::state::Limits;
use world::{MS, S, World, limits, opening};

/// Forged opening segments, each from another address and port.
struct Flood {
    sent: u32,
    interval_ns: u64,
}

impl Flood {
    fn per_s(rate: u64) -> Flood {
        Flood {
            sent: 0,
            interval_ns: S / rate,
        }
    }

    /// Lets time pass with the flood in it; checks the bounds after each segment.
    fn pass(&mut self, world: &mut World, ns: u64) {
        let until_ns = world.now_ns + ns;
        while world.now_ns < until_ns {
            world.now_ns += self.interval_ns;
            self.sent += 1;
            // Addresses and ports that no client of this world has.
            let source = Ipv4Addr::from(0x0a07_1000 + self.sent % 4000);
            let port = 1 + (self.sent / 4000 % 1000) as u16;
            world
                .tcp
                .packet(&opening(source, port), world.now_ns, &mut world.to_client);
            world.tcp.timers(world.now_ns, &mut world.to_client);
            world
                .to_client
                .packets
                .retain(|packet| packet[18..20] == [0, 2]);
            assert!(world.tcp.half_open() <= limits().half_open_max);
        }
    }
}

#[test]
fn a_client_is_served_at_once_while_a_flood_goes_on() {
    for rate in [1_000, 20_000, 100_000] {
        let mut world = World::new(limits());
        let mut flood = Flood::per_s(rate);
        flood.pass(&mut world, S / 2);
        let legitimate = 20;
        for _ in 0..legitimate {
            let client = world.connect();
            assert!(world.deliver_to_server());
            // The answer and the client's own are under way for a while.
            flood.pass(&mut world, MS / 2);
            assert!(world.deliver_to_client());
            flood.pass(&mut world, MS / 2);
            world.settle();
            let state = world.clients[client].tcp().state();
            assert_eq!(state, State::Established, "at {rate} a second");
            world.send(client, b"still there?");
            world.settle();
            assert_eq!(world.receive(client), b"still there?");
        }
        assert_eq!(world.http.len(), legitimate, "http hears of nobody else");
        assert!(world.tcp.slots() <= limits().half_open_max + legitimate);
        let bytes = world.tcp.slots() * world.tcp.bytes_per_connection();
        println!(
            "{rate} a second: {} segments, {bytes} bytes at most",
            flood.sent
        );
        assert!(bytes < 8 << 20, "{bytes} bytes");
    }
}

#[test]
fn after_a_flood_all_slots_come_back() {
    let mut world = World::new(limits());
    let mut flood = Flood::per_s(20_000);
    flood.pass(&mut world, S);
    assert_eq!(world.tcp.half_open(), limits().half_open_max);
    world.pass(11 * S);
    assert_eq!((world.tcp.half_open(), world.tcp.connections()), (0, 0));
    assert_eq!(world.tcp.timer_ns(), None, "nothing is left to wait for");
}

#[test]
fn a_crowd_that_comes_at_once_does_not_push_itself_out() {
    let mut world = World::new(limits());
    let clients: Vec<usize> = (0..1000).map(|_| world.connect()).collect();
    while world.deliver_to_server() {}
    assert_eq!(world.tcp.half_open(), limits().half_open_max);
    assert_eq!(world.tcp.counters().half_open_ended_total, 0);
    // Who was not heard tries again.
    world.pass(8 * S);
    for client in clients {
        let state = world.clients[client].tcp().state();
        assert_eq!(state, State::Established, "client {client}");
    }
}

#[test]
fn handshakes_make_room_in_a_full_table_but_connections_do_not() {
    let mut world = World::new(Limits {
        connections_max: 8,
        half_open_max: 8,
        ..limits()
    });
    let open: Vec<usize> = (0..7).map(|_| world.open()).collect();
    Flood::per_s(1000).pass(&mut world, S);
    assert_eq!((world.tcp.half_open(), world.tcp.connections()), (1, 8));
    world.now_ns += S;
    let last = world.open();
    assert_eq!(world.clients[last].tcp().state(), State::Established);
    let refused = world.open();
    assert_eq!(world.clients[refused].tcp().state(), State::Closed);
    for client in open {
        world.send(client, b"here");
        world.settle();
        assert_eq!(world.receive(client), b"here");
    }
}
