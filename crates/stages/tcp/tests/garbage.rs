//! Garbage and mutated packets: no panic, no leak, and the neighbours do not notice.

mod world;

use brigade_link::tcp::State;
use world::{MS, Random, S, World, checksum, fix_checksums, limits};

/// Changes a packet that was on the wire in one of the ways that hurt.
fn mutate(packet: &mut Vec<u8>, random: &mut Random) {
    for _ in 0..1 + random.below(3) {
        let length = packet.len();
        match random.below(7) {
            0 => packet.truncate(random.below(length + 1)),
            1 => packet.resize(length + random.below(40), 0xa5),
            // Sequence and acknowledgement numbers near the edges of the windows.
            2 if length >= 32 => {
                let at = 24 + random.below(8);
                packet[at] = packet[at].wrapping_add([1, 255, 128, 127][random.below(4)]);
            }
            // Flags, data offset, window.
            3 if length >= 36 => packet[32 + random.below(4)] = random.below(256) as u8,
            _ if length > 0 => packet[random.below(length)] ^= 1 << random.below(8),
            _ => {}
        }
        if packet.is_empty() {
            return;
        }
    }
    if random.below(4) != 0 && packet.len() >= 40 {
        let length = packet.len() as u16;
        packet[2..4].copy_from_slice(&length.to_be_bytes());
        fix_checksums(packet);
    }
}

fn mutated_traffic(seed: u64, steps: usize) {
    println!("seed {seed}");
    let mut random = Random(seed);
    let mut world = World::new(limits());
    let bystander = world.open();
    let mut heard: Vec<Vec<u8>> = vec![vec![0x45; 40]];
    for step in 0..steps {
        if random.below(20) == 0 {
            if world.clients.len() > 50 {
                world.clients.truncate(1);
            }
            world.connect();
        }
        let client = random.below(world.clients.len());
        if client != bystander && world.clients[client].tcp().may_send() {
            let _ = world.clients[client]
                .tcp_mut()
                .send_slice(&[step as u8; 100]);
            match random.below(30) {
                0 => world.clients[client].tcp_mut().close(),
                1 => world.clients[client].tcp_mut().abort(),
                _ => {}
            }
            world.flush(client);
        }
        for packet in world.to_server.packets.iter().take(2) {
            if heard.len() < 64 {
                heard.push(packet.clone());
            } else {
                heard[random.below(64)].clone_from(packet);
            }
        }
        let mut packet = heard[random.below(heard.len())].clone();
        mutate(&mut packet, &mut random);
        // A forged reset for the bystander's port may be believed, and that is TCP's weakness.
        if !(packet.len() > 22 && packet[20..22] == [0x07, 0xd0]) {
            world
                .tcp
                .packet(&packet, world.now_ns, &mut world.to_client);
        }
        world.settle();
        world.now_ns += MS * random.below(20) as u64;
        world.tcp.timers(world.now_ns, &mut world.to_client);
    }
    world.settle();
    world.send(bystander, b"are you well?");
    world.settle();
    assert_eq!(world.receive(bystander), b"are you well?");
    assert_eq!(world.clients[bystander].tcp().state(), State::Established);
    world.clients.clear();
    world.pass(200 * S);
    assert_eq!(
        world.tcp.connections(),
        0,
        "garbage left a connection behind"
    );
    assert!(world.http.values().all(|http| http.gone));
}

#[test]
fn mutated_packets_do_no_harm() {
    for seed in 1..=8 {
        mutated_traffic(seed, 2500);
    }
}

/// `cargo test -p brigade-tcp --release --test garbage -- --ignored`
#[test]
#[ignore = "takes minutes"]
fn mutated_packets_do_no_harm_in_a_long_run() {
    for seed in 1000..2000 {
        mutated_traffic(seed, 10_000);
    }
}

#[test]
fn noise_does_no_harm() {
    let mut random = Random(9);
    let mut world = World::new(limits());
    for _ in 0..20_000 {
        let length = random.below(120);
        let mut packet: Vec<u8> = (0..length).map(|_| random.below(256) as u8).collect();
        if random.below(2) == 0 && length > 20 {
            packet[0] = 0x45 + random.below(4) as u8;
            packet[2..4].copy_from_slice(&(length as u16).to_be_bytes());
            packet[6..8].fill(0);
            packet[9] = [6, 1, 17, 99][random.below(4)];
            packet[16..20].copy_from_slice(&[10, 7, 0, 1]);
            packet[10..12].fill(0);
            let header = (usize::from(packet[0] & 15) * 4).min(length);
            let sum = checksum(&packet[..header], 0);
            packet[10..12].copy_from_slice(&sum.to_be_bytes());
        }
        world
            .tcp
            .packet(&packet, world.now_ns, &mut world.to_client);
        world.to_client.packets.clear();
    }
    assert_eq!(world.tcp.connections(), 0);
}

/// A packet of UDP, which nobody here listens to.
fn datagram() -> Vec<u8> {
    let mut packet = vec![0; 40];
    packet[..4].copy_from_slice(&[0x45, 0, 0, 40]);
    packet[8..10].copy_from_slice(&[64, 17]);
    packet[12..20].copy_from_slice(&[10, 7, 0, 2, 10, 7, 0, 1]);
    packet[20..26].copy_from_slice(&[0x9c, 0x40, 0, 53, 0, 20]);
    let sum = checksum(&packet[..20], 0);
    packet[10..12].copy_from_slice(&sum.to_be_bytes());
    packet
}

#[test]
fn errors_are_bounded_and_pings_are_answered_all_the_same() {
    let mut world = World::new(limits());
    let mut echo = datagram();
    echo[9] = 1;
    echo[20..22].copy_from_slice(&[8, 0]);
    for at in [10, 22] {
        echo[at..at + 2].fill(0);
    }
    let sum = checksum(&echo[..20], 0);
    echo[10..12].copy_from_slice(&sum.to_be_bytes());
    let sum = checksum(&echo[20..], 0);
    echo[22..24].copy_from_slice(&sum.to_be_bytes());
    let answers = |world: &mut World, packet: &[u8], times: usize| {
        for _ in 0..times {
            world.tcp.packet(packet, world.now_ns, &mut world.to_client);
        }
        world.to_client.packets.drain(..).count()
    };
    for _ in 0..2 {
        assert_eq!(answers(&mut world, &datagram(), 1000), 100);
        assert_eq!(answers(&mut world, &datagram(), 1000), 0);
        assert_eq!(answers(&mut world, &echo, 200), 200);
        world.now_ns += S;
    }
}
