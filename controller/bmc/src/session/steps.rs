//! The three questions of a handshake, each with how its answer is told from other datagrams.

use crate::Error;
use crate::link::Exchange;
use crate::packet::{
    Malformed, OpenSessionRequest, OpenSessionResponse, Packet, PayloadType, Rakp1, Rakp2, Rakp3, Rakp4,
    encode_plain,
};
use std::net::SocketAddr;

/// A question and the ids that its answer has to repeat.
pub(super) struct Step<Q> {
    pub(super) bmc: SocketAddr,
    /// What the console calls the session.
    pub(super) console_id: u32,
    pub(super) question: Q,
}

/// What the three questions have in common.
pub(super) trait Question: Send {
    type Answer;
    const NAME: &'static str;
    const ASK: PayloadType;
    const ANSWER: PayloadType;

    fn tag(&self) -> u8;
    fn encode(&self) -> Vec<u8>;
    fn decode(payload: &[u8]) -> Result<Self::Answer, Malformed>;
    /// Tag and console id of `answer`.
    fn ids(answer: &Self::Answer) -> (u8, u32);
}

impl<Q: Question> Exchange for Step<Q> {
    type Output = Q::Answer;

    fn name(&self) -> &'static str {
        Q::NAME
    }

    fn datagram(&mut self) -> Result<Option<Vec<u8>>, Error> {
        Ok(Some(encode_plain(Q::ASK, &self.question.encode())))
    }

    fn answer(&mut self, datagram: &[u8]) -> Result<Option<Q::Answer>, Error> {
        let Ok(Packet::Plain { header, payload }) = Packet::decode(datagram) else { return Ok(None) };
        if header.payload != Q::ANSWER {
            return Ok(None);
        }
        let answer = Q::decode(payload).map_err(|problem| Error::Protocol {
            bmc: self.bmc,
            request: Q::NAME,
            problem: problem.to_string(),
        })?;
        let (tag, console_id) = Q::ids(&answer);
        // Refusals may leave the console id out; the tag alone has to do then.
        let mine = tag == self.question.tag() && (console_id == self.console_id || console_id == 0);
        Ok(mine.then_some(answer))
    }
}

impl Question for OpenSessionRequest {
    type Answer = OpenSessionResponse;
    const NAME: &'static str = "the request to open a session";
    const ASK: PayloadType = PayloadType::OpenSessionRequest;
    const ANSWER: PayloadType = PayloadType::OpenSessionResponse;

    fn tag(&self) -> u8 {
        self.tag
    }

    fn encode(&self) -> Vec<u8> {
        self.encode()
    }

    fn decode(payload: &[u8]) -> Result<OpenSessionResponse, Malformed> {
        OpenSessionResponse::decode(payload)
    }

    fn ids(answer: &OpenSessionResponse) -> (u8, u32) {
        (answer.tag, answer.console_id)
    }
}

impl Question for Rakp1 {
    type Answer = Rakp2;
    const NAME: &'static str = "RAKP message 1";
    const ASK: PayloadType = PayloadType::Rakp1;
    const ANSWER: PayloadType = PayloadType::Rakp2;

    fn tag(&self) -> u8 {
        self.tag
    }

    fn encode(&self) -> Vec<u8> {
        self.encode()
    }

    fn decode(payload: &[u8]) -> Result<Rakp2, Malformed> {
        Rakp2::decode(payload)
    }

    fn ids(answer: &Rakp2) -> (u8, u32) {
        (answer.tag, answer.console_id)
    }
}

impl Question for Rakp3 {
    type Answer = Rakp4;
    const NAME: &'static str = "RAKP message 3";
    const ASK: PayloadType = PayloadType::Rakp3;
    const ANSWER: PayloadType = PayloadType::Rakp4;

    fn tag(&self) -> u8 {
        self.tag
    }

    fn encode(&self) -> Vec<u8> {
        self.encode()
    }

    fn decode(payload: &[u8]) -> Result<Rakp4, Malformed> {
        Rakp4::decode(payload)
    }

    fn ids(answer: &Rakp4) -> (u8, u32) {
        (answer.tag, answer.console_id)
    }
}
