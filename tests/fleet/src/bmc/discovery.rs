//! What anybody may ask, without a session.

use super::commands::{INVALID_COMMAND, INVALID_DATA, Reply};
use super::config::BmcConfig;
use super::faults::Faults;
use hostler_bmc::packet::LanRequest;

const APP: u8 = 0x06;
const GET_SYSTEM_GUID: u8 = 0x37;
const GET_CHANNEL_AUTHENTICATION_CAPABILITIES: u8 = 0x38;
const GET_CHANNEL_CIPHER_SUITES: u8 = 0x54;
/// The channel that everybody comes by.
const CHANNEL: u8 = 1;
/// Cipher suites are handed out sixteen bytes at a time.
const LIST_CHUNK: usize = 16;

/// Answers `request`, or says that it takes a session.
pub(super) fn answer(config: &BmcConfig, faults: Faults, request: &LanRequest) -> Reply {
    match (request.netfn, request.cmd) {
        (APP, GET_SYSTEM_GUID) => Ok(faults.guid.unwrap_or(config.guid).to_vec()),
        (APP, GET_CHANNEL_AUTHENTICATION_CAPABILITIES) => Ok(capabilities()),
        (APP, GET_CHANNEL_CIPHER_SUITES) => cipher_suites(config, &request.data),
        _ => Err(INVALID_COMMAND),
    }
}

/// IPMI v2.0 only, with named users.
fn capabilities() -> Vec<u8> {
    const EXTENDED: u8 = 0x80;
    const NAMED_USERS: u8 = 0x04;
    const IPMI_2_0: u8 = 0x02;
    vec![CHANNEL, EXTENDED, NAMED_USERS, IPMI_2_0, 0, 0, 0, 0]
}

/// Records of section 22.15.1: start, id, authentication, integrity, confidentiality.
fn cipher_suites(config: &BmcConfig, data: &[u8]) -> Reply {
    let &[_channel, _payload_type, index] = data else { return Err(INVALID_DATA) };
    let records: Vec<u8> = config
        .suites
        .iter()
        .flat_map(|suite| {
            let algorithms = suite.algorithms();
            let (integrity, confidentiality) =
                (0x40 | algorithms.integrity, 0x80 | algorithms.confidentiality);
            [0xc0, suite.id(), algorithms.authentication, integrity, confidentiality]
        })
        .collect();
    let chunk = records.chunks(LIST_CHUNK).nth(usize::from(index & 0x3f)).unwrap_or_default();
    Ok([&[CHANNEL], chunk].concat())
}
