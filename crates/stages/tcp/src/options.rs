//! The options of a tcp stage: declared, read and checked.

use std::net::{Ipv4Addr, Ipv6Addr};

use brigade_stage::{Builder, Kind, OptionValue, StageError};

use crate::TcpError;
use crate::state::Limits;

/// What every host of the internet takes in one piece (RFC 791).
const MTU_BYTES_MIN: usize = 576;

/// Declares the options.
pub(crate) fn declare(kind: Kind) -> Kind {
    let integer = OptionValue::Integer;
    kind.option(
        "address",
        OptionValue::text("10.7.0.1"),
        "Brigade's own IPv4 address",
    )
    .option(
        "address_v6",
        OptionValue::text("fd00:10:7::1"),
        "Brigade's own IPv6 address, beside fe80:: with its last 64 bits; nothing: no IPv6",
    )
    .option(
        "port",
        integer(80),
        "TCP port that connections are accepted on",
    )
    .option(
        "connections_max",
        // More than http serves: those beyond that are told 503, not reset, and some are in TIME-WAIT.
        integer(1536),
        "connections at most; further ones are refused",
    )
    .option(
        "half_open_max",
        integer(256),
        "connections in the handshake at most; beyond, the oldest gives way if it takes long",
    )
    .option(
        "time_wait_max",
        integer(256),
        "closed connections kept in TIME-WAIT at most",
    )
    .option(
        "receive_bytes",
        integer(8192),
        "receive buffer of a connection",
    )
    .option(
        "send_bytes",
        integer(16384),
        "send buffer of a connection, http's first credit",
    )
    .option(
        "offload",
        OptionValue::Flag(false),
        "the nic computes checksums and splits large packets: only before a tap interface",
    )
    .option(
        "mtu_bytes",
        integer(0),
        "largest packet; 0: what fits into a page, as nothing smaller is known",
    )
    .option(
        "headroom_bytes",
        integer(0),
        "room in the page before each packet sent, for a nic that writes its own header there",
    )
    .option(
        "timeout_s",
        integer(60),
        "a peer silent for so long is cut off",
    )
    .option(
        "handshake_timeout_s",
        integer(10),
        "a handshake may take so long",
    )
}

/// Reads and checks the options.
pub(crate) fn read(b: &Builder<'_>) -> Result<Limits, StageError> {
    let connections_max = number(b, "connections_max", 1, 1_000_000)?;
    Ok(Limits {
        address: address(&b.text("address")?)?,
        address_v6: address_v6(&b.text("address_v6")?)?,
        port: u16::try_from(number(b, "port", 1, 65_535)?)?,
        mtu_bytes: mtu_bytes(b)?,
        connections_max: usize::try_from(connections_max)?,
        half_open_max: usize::try_from(number(b, "half_open_max", 1, 1_000_000)?)?,
        time_wait_max: usize::try_from(number(b, "time_wait_max", 0, 1_000_000)?)?,
        receive_bytes: usize::try_from(number(b, "receive_bytes", 1024, 1 << 24)?)?,
        send_bytes: usize::try_from(number(b, "send_bytes", 1024, 1 << 24)?)?,
        timeout_ns: number(b, "timeout_s", 1, 86_400)? * 1_000_000_000,
        handshake_timeout_ns: number(b, "handshake_timeout_s", 1, 3600)? * 1_000_000_000,
        offload: b.flag("offload")?,
    })
}

fn number(b: &Builder<'_>, option: &'static str, min: i64, max: i64) -> Result<u64, StageError> {
    let value = b.integer(option)?;
    if !(min..=max).contains(&value) {
        return Err(TcpError::Range {
            option,
            value,
            min,
            max,
        }
        .into());
    }
    Ok(value.unsigned_abs())
}

fn address(text: &str) -> Result<Ipv4Addr, TcpError> {
    let address = text
        .parse::<Ipv4Addr>()
        .map_err(|_| TcpError::Address(text.to_owned()))?;
    let is_host = !address.is_unspecified() && !address.is_multicast() && !address.is_broadcast();
    if is_host {
        Ok(address)
    } else {
        Err(TcpError::Address(text.to_owned()))
    }
}

fn address_v6(text: &str) -> Result<Option<Ipv6Addr>, TcpError> {
    if text.is_empty() {
        return Ok(None);
    }
    let refused = || TcpError::AddressV6(text.to_owned());
    let address = text.parse::<Ipv6Addr>().map_err(|_| refused())?;
    let is_host = !address.is_unspecified() && !address.is_multicast() && !address.is_loopback();
    match is_host {
        true => Ok(Some(address)),
        false => Err(refused()),
    }
}

/// Room before each packet that is sent.
pub(crate) fn headroom_bytes(b: &Builder<'_>) -> Result<usize, StageError> {
    Ok(usize::try_from(number(b, "headroom_bytes", 0, 1024)?)?)
}

/// The largest packet: one fits into a page, behind its headroom.
fn mtu_bytes(b: &Builder<'_>) -> Result<usize, StageError> {
    let room_bytes = b.page_bytes("to_nic").saturating_sub(headroom_bytes(b)?);
    if room_bytes < MTU_BYTES_MIN {
        return Err(TcpError::PageBytes(room_bytes).into());
    }
    let wanted = usize::try_from(number(b, "mtu_bytes", 0, 65_535)?)?;
    match wanted {
        0 => Ok(room_bytes),
        // The option's own limits would let nothing through.
        _ => Ok(wanted.clamp(MTU_BYTES_MIN, room_bytes)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_no_single_host_are_refused() {
        assert!(address("10.7.0.1").is_ok());
        for text in [
            "",
            "10.7.0",
            "0.0.0.0",
            "224.0.0.1",
            "255.255.255.255",
            "::1",
        ] {
            assert_eq!(address(text), Err(TcpError::Address(text.to_owned())));
        }
    }

    #[test]
    fn ipv6_may_be_left_out_and_is_an_address_of_one_host() {
        assert_eq!(address_v6(""), Ok(None));
        assert!(address_v6("fd00:10:7::1").is_ok_and(|address| address.is_some()));
        for text in ["::", "::1", "ff02::1", "10.7.0.1", "fd00:"] {
            assert_eq!(address_v6(text), Err(TcpError::AddressV6(text.to_owned())));
        }
    }
}
