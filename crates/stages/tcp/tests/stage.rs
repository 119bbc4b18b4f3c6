//! The tcp stage in the harness: ports, pages, times, back-pressure.

mod world;

use std::net::{Ipv4Addr, SocketAddrV4};

use brigade_link::{Host, Socket, tcp::State};
use brigade_messages::Hop;
use brigade_messages::nic_tcp::Packet;
use brigade_messages::tcp_http::{TcpCommand, TcpCommandKind, TcpEvent, TcpEventKind};
use brigade_stage::OptionValue;
use brigade_stage::harness::{Harness, Setup};
use world::{PAGE_BYTES, Queue};

fn setup() -> Setup {
    Harness::new(&brigade_tcp::kind()).page_bytes_all(PAGE_BYTES)
}

/// A client at the nic's end of the stage.
struct Client {
    host: Host,
    socket: Socket,
    out: Queue,
}

impl Client {
    fn new() -> Client {
        let mut host = Host::new(Ipv4Addr::new(10, 7, 0, 2), 16, PAGE_BYTES, 1);
        let mut socket = Socket::new(8192, 8192);
        // Acknowledges at once: these tests let no time pass.
        socket.tcp_mut().set_ack_delay(None);
        host.connect(
            &mut socket,
            3000,
            SocketAddrV4::new(Ipv4Addr::new(10, 7, 0, 1), 80),
        )
        .unwrap();
        Client {
            host,
            socket,
            out: Queue {
                packets: Default::default(),
                room: usize::MAX,
            },
        }
    }

    /// Sends what the client has to the stage.
    fn send(&mut self, harness: &mut Harness) {
        self.host.transmit(&mut self.socket, 1, &mut self.out);
        while let Some(packet) = self.out.packets.pop_front() {
            let header = Packet {
                length_bytes: packet.len() as u32,
                nic_queue_ns: 300,
                nic_service_ns: 200,
                ..Packet::default()
            };
            harness.send("from_nic", header, &packet);
        }
        harness.run_until_idle().unwrap();
    }

    /// Receives what the stage sent; whether there was anything.
    fn receive(&mut self, harness: &mut Harness) -> bool {
        let mut any = false;
        while let Some((header, page)) = harness.receive::<Packet>("to_nic") {
            let packet = &page[..header.length_bytes as usize];
            self.host
                .receive(packet, Some(&mut self.socket), 1, &mut self.out);
            any = true;
        }
        any
    }

    fn exchange(&mut self, harness: &mut Harness) {
        self.send(harness);
        while self.receive(harness) {
            self.send(harness);
        }
    }
}

fn command(
    connection: u64,
    kind: TcpCommandKind,
    length_bytes: u32,
    credit_bytes: u32,
) -> TcpCommand {
    TcpCommand {
        connection,
        kind: kind.word(),
        offset_bytes: 0,
        length_bytes,
        credit_bytes,
    }
}

fn event(harness: &mut Harness) -> (TcpEventKind, TcpEvent, Vec<u8>) {
    let (event, page) = harness.receive::<TcpEvent>("events").expect("an event");
    (TcpEventKind::from_word(event.kind).unwrap(), event, page)
}

#[test]
fn a_request_and_its_answer_pass_the_stage() {
    let mut harness = setup().build().unwrap();
    let mut client = Client::new();
    client.exchange(&mut harness);
    let (kind, opened, _) = event(&mut harness);
    assert_eq!((kind, opened.credit_bytes), (TcpEventKind::Opened, 16384));
    let id = opened.connection;
    harness.send("commands", command(id, TcpCommandKind::Credit, 0, 100), &[]);
    client.socket.tcp_mut().send_slice(b"request").unwrap();
    client.exchange(&mut harness);

    let (kind, data, page) = event(&mut harness);
    assert_eq!(kind, TcpEventKind::Data);
    assert_eq!(
        &page[data.offset_bytes as usize..][..data.length_bytes as usize],
        b"request"
    );
    assert_eq!(
        data.timings.queue_ns(Hop::Nic),
        300,
        "of the packet with the data alone"
    );
    assert_eq!(data.timings.service_ns(Hop::Nic), 200);
    assert!(data.timings.queue_ns(Hop::Tcp) > 0 && data.timings.service_ns(Hop::Tcp) > 0);
    assert_eq!(data.timings.service_ns(Hop::Http), 0);

    harness.send(
        "commands",
        command(id, TcpCommandKind::Data, 6, 0),
        b"answer",
    );
    harness.send("commands", command(id, TcpCommandKind::Close, 0, 0), &[]);
    harness.run_until_idle().unwrap();
    client.receive(&mut harness);
    let mut answer = [0; 10];
    assert_eq!(client.socket.tcp_mut().recv_slice(&mut answer), Ok(6));
    client.socket.tcp_mut().close();
    client.exchange(&mut harness);
    assert_eq!(event(&mut harness).0, TcpEventKind::Gone);
    assert!(harness.receive::<TcpEvent>("events").is_none());
    assert_eq!(harness.pages_missing(), 0);
    assert!(harness.stage().timer_ns().is_some(), "TIME-WAIT is to end");
}

#[test]
fn commands_are_taken_although_no_packet_and_no_event_can_leave() {
    let mut harness = setup().edges(4, 4).build().unwrap();
    let mut client = Client::new();
    client.exchange(&mut harness);
    let id = event(&mut harness).1.connection;
    // From here on nobody takes packets from the stage.
    for byte in 0..40 {
        let sent = harness.try_send(
            "commands",
            command(id, TcpCommandKind::Data, 400, 0),
            &[byte; 400],
        );
        assert!(sent, "command {byte} was not taken");
        harness.run_until_idle().unwrap();
        assert!(!harness.runnable(), "without room there is nothing to do");
    }
    let mut received = Vec::new();
    for _ in 0..1000 {
        harness.run_until_idle().unwrap();
        client.receive(&mut harness);
        let mut data = [0; 4096];
        let length = client.socket.tcp_mut().recv_slice(&mut data).unwrap();
        received.extend_from_slice(&data[..length]);
        client.send(&mut harness);
    }
    let wanted: Vec<u8> = (0..40).flat_map(|byte| [byte; 400]).collect();
    assert!(
        received == wanted,
        "{} of {} bytes",
        received.len(),
        wanted.len()
    );
}

#[test]
fn events_wait_with_their_connections_until_http_takes_them() {
    let mut harness = setup().edges(2, 2).build().unwrap();
    let mut clients: Vec<Client> = (0..20).map(|_| Client::new()).collect();
    for (number, client) in clients.iter_mut().enumerate() {
        let port = 4000 + number as u16;
        let server = SocketAddrV4::new(Ipv4Addr::new(10, 7, 0, 1), 80);
        client
            .host
            .connect(&mut client.socket, port, server)
            .unwrap();
        client.exchange(&mut harness);
        assert_eq!(client.socket.tcp().state(), State::Established);
    }
    let mut opened = 0;
    while let Some((event, _)) = harness.receive::<TcpEvent>("events") {
        assert_eq!(event.kind, TcpEventKind::Opened.word());
        opened += 1;
        harness.run_until_idle().unwrap();
    }
    assert_eq!(opened, 20);
    assert_eq!(harness.pages_missing(), 0);
}

#[test]
fn while_draining_unsent_data_is_held() {
    let mut harness = setup().build().unwrap();
    let mut client = Client::new();
    client.exchange(&mut harness);
    let id = event(&mut harness).1.connection;
    harness.send(
        "commands",
        command(id, TcpCommandKind::Data, 5, 0),
        b"hello",
    );
    harness.run_until_idle().unwrap();
    assert_eq!(
        harness.stage().held(),
        0,
        "a stage that serves waits for no reply"
    );
    harness.drain();
    harness.run().unwrap();
    assert_eq!(harness.stage().held(), 1);
    client.receive(&mut harness);
    client.exchange(&mut harness);
    assert_eq!(harness.stage().held(), 0);
}

#[test]
fn packets_that_lie_about_their_length_are_dropped() {
    let mut harness = setup().build().unwrap();
    for length_bytes in [0, 1, PAGE_BYTES as u32 + 1, u32::MAX] {
        harness.send(
            "from_nic",
            Packet {
                length_bytes,
                ..Packet::default()
            },
            &[0x45; 60],
        );
    }
    harness.run_until_idle().unwrap();
    assert!(harness.receive::<Packet>("to_nic").is_none());
    assert_eq!(harness.pages_missing(), 0);
}

#[test]
fn packets_are_as_large_as_was_said_and_leave_room_before_them() {
    let mut harness = setup()
        .option("mtu_bytes", OptionValue::Integer(1500))
        .option("headroom_bytes", OptionValue::Integer(16))
        .build()
        .unwrap();
    let mut client = Client::new();
    client.send(&mut harness);
    let (header, page) = harness.receive::<Packet>("to_nic").expect("an answer");
    assert_eq!(header.offset_bytes, 16);
    let packet = header.of(&page);
    assert_eq!(packet[0], 0x45);
    // The first option of the answer to an opening segment is the largest segment.
    assert_eq!(packet[40..44], [2, 4, 0x05, 0xb4], "1460 bytes");
}

#[test]
fn wrong_options_are_said_clearly() {
    for (option, value, said) in [
        ("address", OptionValue::text("256.0.0.1"), "10.7.0.1"),
        ("connections_max", OptionValue::Integer(0), "from 1 to"),
        ("timeout_s", OptionValue::Integer(-5), "from 1 to"),
        ("mtu_bytes", OptionValue::Integer(-1), "from 0 to"),
        ("headroom_bytes", OptionValue::Integer(5000), "from 0 to"),
    ] {
        let error = setup().option(option, value).build().err().unwrap();
        assert!(error.to_string().contains(said), "{error}");
    }
}
