//! Every decoder takes whatever the network delivers, and is the inverse of its encoder.

use hostler_bmc::CipherSuite;
use hostler_bmc::crypto::{SessionKeys, Transcript};
use hostler_bmc::packet::{
    Algorithms, Header, LanRequest, LanResponse, MAX_USER_NAME, OpenSessionRequest, OpenSessionResponse,
    OpenedSession, Packet, PayloadType, Rakp1, Rakp2, Rakp2Accepted, Rakp3, Rakp3Accepted, Rakp4,
    Rakp4Accepted, RakpStatus, encode_plain, encode_v15,
};
use hostler_bmc::{BootFlags, Secret};
use proptest::prelude::*;

fn bytes(max: usize) -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(any::<u8>(), 0..=max)
}

fn status() -> impl Strategy<Value = RakpStatus> {
    (1..=u8::MAX).prop_map(|code| RakpStatus::from_code(code).expect("not zero"))
}

fn outcome<T: std::fmt::Debug>(
    accepted: impl Strategy<Value = T>,
) -> impl Strategy<Value = Result<T, RakpStatus>> {
    prop_oneof![accepted.prop_map(Ok), status().prop_map(Err)]
}

fn algorithms() -> impl Strategy<Value = Algorithms> {
    (0..64_u8, 0..64_u8, 0..64_u8).prop_map(|(authentication, integrity, confidentiality)| Algorithms {
        authentication,
        integrity,
        confidentiality,
    })
}

fn keys(suite: CipherSuite) -> SessionKeys {
    let transcript = Transcript {
        suite,
        console_id: 1,
        bmc_id: 2,
        console_random: [3; 16],
        bmc_random: [4; 16],
        guid: [5; 16],
        role: 0x14,
        user: b"admin".to_vec(),
    };
    let password = Secret::new(b"secret").expect("short enough");
    SessionKeys::new(&transcript.session_integrity_key(&password)).expect("16 bytes of key")
}

/// What an attacker or a bad cable makes of a datagram.
#[derive(Clone, Debug)]
enum Damage {
    Flip(prop::sample::Index, u8),
    Cut(prop::sample::Index),
    Grow(Vec<u8>),
}

fn damage() -> impl Strategy<Value = Damage> {
    prop_oneof![
        (any::<prop::sample::Index>(), 1..=u8::MAX).prop_map(|(at, bits)| Damage::Flip(at, bits)),
        any::<prop::sample::Index>().prop_map(Damage::Cut),
        prop::collection::vec(any::<u8>(), 1..20).prop_map(Damage::Grow),
    ]
}

impl Damage {
    fn apply(&self, datagram: &mut Vec<u8>) {
        match self {
            Self::Flip(at, bits) if !datagram.is_empty() => {
                let at = at.index(datagram.len());
                datagram[at] ^= bits;
            }
            Self::Flip(..) => datagram.push(0),
            Self::Cut(at) => datagram.truncate(at.index(datagram.len().max(1))),
            Self::Grow(more) => datagram.extend(more),
        }
    }
}

/// All decoders; only that they return counts.
fn decode_everything(bytes: &[u8]) {
    let _ = OpenSessionRequest::decode(bytes);
    let _ = OpenSessionResponse::decode(bytes);
    let _ = (Rakp1::decode(bytes), Rakp2::decode(bytes), Rakp3::decode(bytes), Rakp4::decode(bytes));
    let _ = (LanRequest::decode(bytes), LanResponse::decode(bytes));
    if let Ok(Packet::Protected(packet)) = Packet::decode(bytes) {
        for suite in CipherSuite::ALL {
            let _ = keys(suite).unseal(&packet);
        }
        for code_len in [0, 1, 12, 16, 32, usize::MAX] {
            let _ = packet.signed(code_len);
        }
    }
    if let Some(flags) = bytes.first_chunk() {
        let _ = BootFlags::decode(*flags);
    }
}

proptest! {
    #[test]
    fn rubbish_is_survived(bytes in bytes(200)) {
        decode_everything(&bytes);
    }

    #[test]
    fn rubbish_behind_a_good_header_is_survived(kind in any::<u8>(), bytes in bytes(200)) {
        decode_everything(&[&[0x06, 0x00, 0xff, 0x07, 0x06, kind], bytes.as_slice()].concat());
        decode_everything(&[&[0x06, 0x00, 0xff, 0x07, 0x00], bytes.as_slice()].concat());
    }

    #[test]
    fn a_sealed_packet_is_unsealed_and_a_damaged_one_is_not(
        sha256 in any::<bool>(),
        session_id in any::<u32>(),
        sequence in any::<u32>(),
        payload in bytes(300),
        damage in damage(),
    ) {
        let keys = keys(if sha256 { CipherSuite::Aes128Sha256 } else { CipherSuite::Aes128Sha1 });
        let header = Header { payload: PayloadType::Ipmi, session_id, sequence };
        let mut datagram = keys.seal(header, &payload).unwrap();
        {
            let Ok(Packet::Protected(packet)) = Packet::decode(&datagram) else { panic!("not protected") };
            prop_assert_eq!(packet.header, header);
            prop_assert_eq!(keys.unseal(&packet), Ok(payload));
        }
        let sound = datagram.clone();
        damage.apply(&mut datagram);
        decode_everything(&datagram);
        if let Ok(Packet::Protected(packet)) = Packet::decode(&datagram) {
            // The four bytes of RMCP are not covered; two of them mean nothing.
            prop_assert!(datagram[4..] == sound[4..] || keys.unseal(&packet).is_err());
        }
    }

    #[test]
    fn packets_of_one_suite_are_nothing_to_the_other(payload in bytes(64)) {
        let header = Header { payload: PayloadType::Ipmi, session_id: 1, sequence: 1 };
        let datagram = keys(CipherSuite::Aes128Sha1).seal(header, &payload).unwrap();
        let Ok(Packet::Protected(packet)) = Packet::decode(&datagram) else { panic!("not protected") };
        prop_assert!(keys(CipherSuite::Aes128Sha256).unseal(&packet).is_err());
    }

    #[test]
    fn frames_without_protection(payload in bytes(255)) {
        let datagram = encode_v15(&payload);
        prop_assert_eq!(Packet::decode(&datagram), Ok(Packet::V15 { payload: &payload }));
        let header = Header { payload: PayloadType::Rakp1, session_id: 0, sequence: 0 };
        let datagram = encode_plain(PayloadType::Rakp1, &payload);
        prop_assert_eq!(Packet::decode(&datagram), Ok(Packet::Plain { header, payload: &payload }));
    }

    #[test]
    fn ipmi_messages(
        netfn in 0..32_u8,
        lun in 0..4_u8,
        rq_seq in 0..64_u8,
        cmd in any::<u8>(),
        completion in any::<u8>(),
        data in bytes(40),
        damage in damage(),
    ) {
        let request = LanRequest { netfn: netfn * 2, lun, rq_seq, cmd, data: data.clone() };
        prop_assert_eq!(LanRequest::decode(&request.encode()), Ok(request.clone()));
        let response = LanResponse { netfn: netfn * 2 + 1, lun, rq_seq, cmd, completion, data };
        prop_assert_eq!(LanResponse::decode(&response.encode()), Ok(response));
        let mut damaged = request.encode();
        damage.apply(&mut damaged);
        decode_everything(&damaged);
    }

    #[test]
    fn open_session_messages(
        tag in any::<u8>(),
        max_privilege in 0..16_u8,
        console_id in any::<u32>(),
        bmc_id in any::<u32>(),
        algorithms in algorithms(),
        refusal in prop::option::of(status()),
        damage in damage(),
    ) {
        let request = OpenSessionRequest { tag, max_privilege, console_id, algorithms };
        prop_assert_eq!(OpenSessionRequest::decode(&request.encode()), Ok(request));
        let opened = OpenedSession { max_privilege, bmc_id, algorithms };
        let response = OpenSessionResponse { tag, console_id, outcome: refusal.map_or(Ok(opened), Err) };
        prop_assert_eq!(OpenSessionResponse::decode(&response.encode()), Ok(response));
        let mut damaged = response.encode();
        damage.apply(&mut damaged);
        decode_everything(&damaged);
    }

    #[test]
    fn rakp_messages_1_and_3(
        tag in any::<u8>(),
        bmc_id in any::<u32>(),
        console_random in any::<[u8; 16]>(),
        role in any::<u8>(),
        user in bytes(MAX_USER_NAME),
        outcome in outcome(bytes(32).prop_map(|code| Rakp3Accepted { code })),
    ) {
        let rakp1 = Rakp1 { tag, bmc_id, console_random, role, user };
        prop_assert_eq!(Rakp1::decode(&rakp1.encode()), Ok(rakp1));
        let rakp3 = Rakp3 { tag, bmc_id, outcome };
        prop_assert_eq!(Rakp3::decode(&rakp3.encode()), Ok(rakp3));
    }

    #[test]
    fn rakp_messages_2_and_4(
        tag in any::<u8>(),
        console_id in any::<u32>(),
        rakp2 in outcome((any::<[u8; 16]>(), any::<[u8; 16]>(), bytes(32)).prop_map(
            |(bmc_random, guid, code)| Rakp2Accepted { bmc_random, guid, code },
        )),
        rakp4 in outcome(bytes(16).prop_map(|code| Rakp4Accepted { code })),
    ) {
        let rakp2 = Rakp2 { tag, console_id, outcome: rakp2 };
        prop_assert_eq!(Rakp2::decode(&rakp2.encode()), Ok(rakp2));
        let rakp4 = Rakp4 { tag, console_id, outcome: rakp4 };
        prop_assert_eq!(Rakp4::decode(&rakp4.encode()), Ok(rakp4));
    }
}

#[test]
fn a_refusal_may_end_after_its_status() {
    let response = OpenSessionResponse::decode(&[7, 0x11]).unwrap();
    assert_eq!(response.outcome, Err(RakpStatus::NoCipherSuiteMatch));
    let rakp2 = Rakp2::decode(&[7, 0x0d, 0, 0]).unwrap();
    assert_eq!(rakp2.outcome, Err(RakpStatus::UnauthorizedName));
}
