//! `brigade load` against the shop, and against a server in front of it that lies.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;

use serde_json::Value;
use tempfile::tempdir;

use crate::process::{Brigade, End, Signal};

fn shop(folder: &Path) -> Brigade {
    let arguments = [
        "run",
        "--listen",
        "127.0.0.1:0",
        "--disk",
        "mem:64M",
        "--items",
        "200",
    ];
    Brigade::start(folder, &arguments)
}

/// A load of a few browsers that do not think, for a moment.
fn load(folder: &Path, address: SocketAddr, more: &[&str]) -> End {
    let url = format!("http://{address}");
    let arguments = ["load", "--url", &url, "--browsers", "12", "--think", "0"];
    let moment = ["--duration-s", "3", "--warm-up-s", "0"];
    Brigade::start(folder, &[&arguments[..], &moment, more].concat()).end()
}

fn figures(end: &End) -> Value {
    serde_json::from_str(&end.output).unwrap_or_else(|error| panic!("{error}: {end:?}"))
}

fn count(figures: &Value, name: &str, what: &str) -> u64 {
    let rows = figures["interactions"].as_array().expect("14 rows");
    assert_eq!(rows.len(), 14);
    let row = rows.iter().find(|row| row["name"] == name);
    row.expect("the interaction")[what]
        .as_u64()
        .expect("a count")
}

fn reasons(figures: &Value) -> String {
    figures["reasons"].to_string()
}

#[test]
fn every_page_of_the_shop_is_right_in_all_mixes_and_both_loops() {
    let folder = tempdir().expect("a folder");
    let mut shop = shop(folder.path());
    let address = shop.address();
    let loops: [&[&str]; 4] = [
        &["--mix", "browsing"],
        &["--mix", "shopping", "--no-pictures"],
        &["--mix", "ordering", "--seed", "7"],
        &["--mix", "ordering", "--rate", "40"],
    ];
    for more in loops {
        let end = load(folder.path(), address, &[more, &["--json"]].concat());
        let figures = figures(&end);
        assert_eq!(figures["errors"], 0, "{more:?}: {}", reasons(&figures));
        assert_eq!(figures["unsent"], 0);
        assert!(count(&figures, "Home", "count") > 0);
        assert!(count(&figures, "Product Detail", "count") > 0);
        assert_eq!(figures["verdict"]["all_right"], true);
    }
    let end = load(folder.path(), address, &["--mix", "ordering"]);
    assert!(end.status.success(), "{end:?}");
    for text in [
        "WIPSo",
        "Buy Confirm",
        "p90 within all limits",
        "all pages right",
    ] {
        assert!(end.output.contains(text), "{text} in {}", end.output);
    }
    shop.signal(Signal::TERM);
    shop.end().assert_orderly();
}

#[test]
fn the_load_on_the_wire_tells_the_same_table() {
    let folder = tempdir().expect("a folder");
    let arguments = [
        "run",
        "--disk",
        "mem:64M",
        "--items",
        "200",
        "--load",
        "12",
        "--think",
        "0",
        "--mix",
        "ordering",
        "--duration-s",
        "3",
    ];
    let end = Brigade::start(folder.path(), &arguments).end();
    assert!(end.status.success(), "{end:?}");
    assert!(end.output.contains("WIPSo"), "{end:?}");
    assert!(end.output.contains("all pages right        yes"), "{end:?}");
}

#[test]
fn connections_that_stay_open_beside_a_load_have_their_turns() {
    let folder = tempdir().expect("a folder");
    let run = "run --nic wire --disk mem:64M --items 200 --connections 2 --path /style.css \
               --idle 1500 --in-turn --duration-s 1";
    let arguments: Vec<&str> = run.split_whitespace().collect();
    let end = Brigade::start(folder.path(), &arguments).end();
    assert!(end.status.success(), "{end:?}");
    let figure = |name| {
        let mut lines = end.output.lines();
        let rest = lines.find_map(|line| line.strip_prefix(name)).expect(name);
        let number = rest.split_whitespace().next().expect("a figure");
        number.parse::<u64>().expect("a number")
    };
    assert_eq!(figure("errors"), 0, "{end:?}");
    assert!(figure("idle connection") > 0, "{end:?}");
    assert!(
        end.output.contains("1500 further connections are open"),
        "{end:?}"
    );
}

/// What a liar does to an answer: another one, or none for silence.
type Lie = fn(&str, Vec<u8>) -> Option<Vec<u8>>;

/// A server in front of the shop that lies.
fn liar(shop: SocketAddr, lie: Lie) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("its address");
    std::thread::spawn(move || {
        for client in listener.incoming().map_while(Result::ok) {
            let upstream = TcpStream::connect(shop).expect("the shop");
            std::thread::spawn(move || lie_to(client, upstream, lie));
        }
    });
    address
}

/// Carries requests to the shop and what is made of its answers back, until either leaves.
fn lie_to(mut client: TcpStream, mut shop: TcpStream, lie: Lie) -> Option<()> {
    loop {
        let request = message(&mut client)?;
        shop.write_all(&request).ok()?;
        let answer = message(&mut shop)?;
        let head = String::from_utf8_lossy(&request);
        let target = head.split(' ').nth(1)?.to_owned();
        let whole = answer.len();
        let Some(told) = lie(&target, answer) else {
            // Silence: until the client has enough of it.
            let _ = client.read(&mut [0; 1]);
            return None;
        };
        client.write_all(&told).ok()?;
        if told.len() < whole {
            return None;
        }
    }
}

/// A head and the body that it announces.
fn message(stream: &mut TcpStream) -> Option<Vec<u8>> {
    let (mut bytes, mut buffer) = (Vec::new(), [0; 16_384]);
    loop {
        let received = stream.read(&mut buffer).ok().filter(|count| *count > 0)?;
        bytes.extend_from_slice(&buffer[..received]);
        let Some(head) = bytes.windows(4).position(|four| four == b"\r\n\r\n") else {
            continue;
        };
        let text = String::from_utf8_lossy(&bytes[..head]).to_lowercase();
        let length = text.split("content-length: ").nth(1);
        let length = length.and_then(|rest| rest.lines().next()?.parse().ok());
        if bytes.len() >= head + 4 + length.unwrap_or(0) {
            return Some(bytes);
        }
    }
}

/// Writes another digit behind the first `marker`, so that the length stays.
fn other_number(mut answer: Vec<u8>, marker: &str) -> Vec<u8> {
    let at = answer
        .windows(marker.len())
        .position(|w| w == marker.as_bytes());
    if let Some(digit) = at.and_then(|at| answer.get_mut(at + marker.len())) {
        *digit = if *digit == b'9' { b'8' } else { *digit + 1 };
    }
    answer
}

/// Of the interaction nothing counts, and the others count as ever.
fn is_found_out(lie: Lie, interaction: &str, reason: &str) {
    let folder = tempdir().expect("a folder");
    let mut shop = shop(folder.path());
    let address = liar(shop.address(), lie);
    let more = [
        "--mix",
        "ordering",
        "--patience-s",
        "1",
        "--json",
        "--no-pictures",
    ];
    let end = load(folder.path(), address, &more);
    let figures = figures(&end);
    assert_eq!(count(&figures, interaction, "count"), 0, "{figures}");
    assert!(count(&figures, interaction, "errors") > 0, "{figures}");
    assert!(reasons(&figures).contains(reason), "{}", reasons(&figures));
    assert!(count(&figures, "Home", "count") > 0, "{figures}");
    assert_eq!(figures["verdict"]["counts"], false);
    shop.signal(Signal::TERM);
    shop.end();
}

#[test]
fn a_wrong_total_of_the_cart_is_an_error() {
    let lie: Lie = |target, answer| match target {
        "/cart" => Some(other_number(answer, "data-total-cents=\"")),
        _ => Some(answer),
    };
    is_found_out(lie, "Shopping Cart", "the total is wrong");
}

#[test]
fn a_line_more_than_was_put_into_the_cart_is_an_error() {
    let lie: Lie = |target, answer| match target {
        "/cart" => Some(other_number(answer, "data-line-id=\"")),
        _ => Some(answer),
    };
    is_found_out(lie, "Shopping Cart", "the books");
}

#[test]
fn another_product_is_an_error() {
    let lie: Lie = |target, answer| match target.starts_with("/product/") {
        true => Some(other_number(
            answer,
            "<article class=\"product\" data-product-id=\"",
        )),
        false => Some(answer),
    };
    is_found_out(lie, "Product Detail", "the book");
}

#[test]
fn another_order_is_an_error() {
    let lie: Lie = |target, answer| match target.starts_with("/order/") {
        true => Some(other_number(answer, "data-order-id=\"")),
        false => Some(answer),
    };
    is_found_out(lie, "Buy Confirm", "another order");
}

#[test]
fn a_body_that_ends_too_early_is_an_error() {
    let lie: Lie = |target, mut answer| {
        if target.starts_with("/product/") {
            answer.truncate(answer.len() - 5);
        }
        Some(answer)
    };
    is_found_out(lie, "Product Detail", "the connection ended too early");
}

#[test]
fn a_status_of_500_is_an_error() {
    let lie: Lie = |target, mut answer| {
        if target.starts_with("/product/") {
            answer[9..12].copy_from_slice(b"500");
        }
        Some(answer)
    };
    is_found_out(lie, "Product Detail", "status 500");
}

#[test]
fn a_refusal_is_counted_as_one_and_is_no_error() {
    let lie: Lie = |target, answer| {
        if !target.starts_with("/product/") {
            return Some(answer);
        }
        // As long as the right answer, or the connection would be closed behind it.
        let head = "HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\nContent-Length: ";
        let body_bytes = answer.len() - head.len() - 12;
        let mut told = format!("{head}{body_bytes:08}\r\n\r\n").into_bytes();
        told.resize(answer.len(), b' ');
        Some(told)
    };
    let folder = tempdir().expect("a folder");
    let mut shop = shop(folder.path());
    let address = liar(shop.address(), lie);
    let more = ["--mix", "browsing", "--no-pictures"];
    let json = load(folder.path(), address, &[&more[..], &["--json"]].concat());
    let figures = figures(&json);
    assert_eq!(figures["errors"], 0, "{}", reasons(&figures));
    assert!(
        figures["refused"]
            .as_u64()
            .is_some_and(|refused| refused > 0)
    );
    assert_eq!(count(&figures, "Product Detail", "count"), 0);
    assert!(count(&figures, "Home", "count") > 0);
    assert_eq!(figures["verdict"]["none_refused"], false);
    assert_eq!(figures["verdict"]["counts"], false);
    let text = load(folder.path(), address, &more).output;
    let line = text.lines().find(|line| line.starts_with("refused "));
    assert!(line.is_some_and(|line| line.ends_with(" interactions with 503 and Retry-After")));
    shop.signal(Signal::TERM);
    shop.end();
}

#[test]
fn silence_is_an_error() {
    let lie: Lie = |target, answer| match target.starts_with("/product/") {
        true => None,
        false => Some(answer),
    };
    is_found_out(lie, "Product Detail", "no whole answer in time");
}

#[test]
fn who_is_not_there_or_not_the_shop_is_told_in_one_line() {
    let folder = tempdir().expect("a folder");
    let nobody = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = nobody.local_addr().expect("its address");
    drop(nobody);
    let end = load(folder.path(), address, &[]);
    assert_eq!(end.status.code(), Some(1));
    assert!(end.errors.contains("does not serve the shop"), "{end:?}");
    assert_eq!(end.errors.lines().count(), 1, "{end:?}");
    for url in ["https://127.0.0.1", "127.0.0.1:80", "http://", "http://h/x"] {
        let end = Brigade::start(folder.path(), &["load", "--url", url]).end();
        assert_eq!(end.status.code(), Some(1), "{url}");
        assert!(end.errors.contains("http://HOST:PORT"), "{url}: {end:?}");
    }
}
