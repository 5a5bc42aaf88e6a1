//! Plays back recorded exchanges with devices: see exchanges/README.md.

use async_trait::async_trait;
use hostler_agent::device::Passthrough;
use hostler_agent::device::nvme::{AdminAnswer, AdminCommand, Nvme};
use hostler_agent::device::scsi::{Scsi, ScsiAnswer, ScsiCommand, Transfer};
use std::collections::VecDeque;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex};

/// What a command really does to a disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Effect {
    Erases,
    Scrambles,
}

#[derive(Clone, Debug, Default)]
struct Exchange {
    line: usize,
    request: String,
    sent: Vec<(usize, Vec<u8>)>,
    /// Empty if the command is lost.
    status: Option<u16>,
    lost: String,
    data: Vec<(usize, Vec<u8>)>,
    length: Option<usize>,
    sense: Vec<u8>,
    effect: Option<Effect>,
    forever: bool,
}

/// A device that knows one conversation.
#[derive(Clone)]
pub(crate) struct Recorded(Arc<Inner>);

type OnEffect = Box<dyn Fn(Effect) + Send + Sync>;

struct Inner {
    name: String,
    /// Nothing for SCSI.
    namespace: Option<u32>,
    rotational: bool,
    rest: Mutex<VecDeque<Exchange>>,
    on_effect: Mutex<Option<OnEffect>>,
}

impl Recorded {
    /// The file `exchanges/NAME.txt`.
    pub(crate) fn open(name: &str) -> Self {
        let path =
            Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/exchanges").join(format!("{name}.txt"));
        let text =
            std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        Self::parse(name, &text)
    }

    pub(crate) fn parse(name: &str, text: &str) -> Self {
        let mut lines = text.lines().enumerate().map(|(number, line)| {
            let line = line.split('#').next().unwrap_or_default();
            (number + 1, line.trim_end())
        });
        let mut lines = lines.by_ref().filter(|(_, line)| !line.is_empty());
        let (_, head) = lines.next().expect("the kind of the device");
        let words: Vec<&str> = head.split_whitespace().collect();
        let namespace = (words[0] == "nvme").then(|| words[1].parse().unwrap());
        let mut exchanges: Vec<Exchange> = Vec::new();
        for (number, line) in lines {
            parse_line(&mut exchanges, number, line);
        }
        Self(Arc::new(Inner {
            name: name.to_owned(),
            namespace,
            rotational: words.contains(&"rotational"),
            rest: Mutex::new(exchanges.into()),
            on_effect: Mutex::default(),
        }))
    }

    pub(crate) fn rotational(&self) -> bool {
        self.0.rotational
    }

    /// What to do to the disk for a command that really erases.
    pub(crate) fn on_effect(&self, effect: impl Fn(Effect) + Send + Sync + 'static) {
        *self.0.on_effect.lock().unwrap() = Some(Box::new(effect));
    }

    pub(crate) fn passthrough(&self) -> Passthrough {
        match self.0.namespace {
            Some(_) => Passthrough::Nvme(Arc::new(self.clone())),
            None => Passthrough::Scsi(Arc::new(self.clone())),
        }
    }

    /// Fails if something of the conversation did not take place.
    pub(crate) fn finish(&self) {
        let rest = self.0.rest.lock().unwrap();
        let next = rest.front().filter(|exchange| !exchange.forever);
        assert!(next.is_none(), "{}: not sent: {next:?}", self.0.name);
    }

    fn next(&self, request: &str, sent: &[u8]) -> io::Result<Exchange> {
        let mut rest = self.0.rest.lock().unwrap();
        // What repeats ends when something else is sent.
        if rest.front().is_some_and(|exchange| exchange.forever && exchange.request != request) {
            rest.pop_front();
        }
        let exchange =
            rest.front().unwrap_or_else(|| panic!("{}: nothing after {request}", self.0.name)).clone();
        assert_eq!(request, exchange.request, "{}, line {}", self.0.name, exchange.line);
        assert_eq!(sent, fill(&exchange.sent, sent.len()), "{}, line {}", self.0.name, exchange.line);
        if !exchange.forever {
            rest.pop_front();
        }
        drop(rest);
        if let (Some(effect), Some(act)) = (exchange.effect, &*self.0.on_effect.lock().unwrap()) {
            act(effect);
        }
        match exchange.status {
            Some(_) => Ok(exchange),
            None => Err(io::Error::other(exchange.lost)),
        }
    }
}

fn parse_line(exchanges: &mut Vec<Exchange>, number: usize, line: &str) {
    if let Some(request) = line.strip_prefix("> ") {
        exchanges.push(Exchange { line: number, request: request.to_owned(), ..Exchange::default() });
        return;
    }
    let exchange = exchanges.last_mut().expect("a command before anything about it");
    let (word, rest) = line.trim().split_once(' ').unwrap_or((line.trim(), ""));
    match word {
        "<" if rest.starts_with("lost ") => exchange.lost = rest[5..].to_owned(),
        "<" => exchange.status = Some(u16::from_str_radix(rest, 16).unwrap()),
        "length" => exchange.length = Some(rest.parse().unwrap()),
        "sense" => exchange.sense = bytes(rest),
        "erases" => exchange.effect = Some(Effect::Erases),
        "scrambles" => exchange.effect = Some(Effect::Scrambles),
        "forever" => exchange.forever = true,
        "word" => {
            let (word, value) = rest.split_once(':').unwrap();
            let value = u16::from_str_radix(value.trim(), 16).unwrap().to_le_bytes();
            exchange.data.push((word.parse::<usize>().unwrap() * 2, value.to_vec()));
        }
        _ => {
            let (offset, value) =
                line.trim().split_once(':').unwrap_or_else(|| panic!("line {number}: {line}"));
            let entry = (offset.parse().unwrap(), bytes(value));
            let answered = exchange.status.is_some();
            if answered { exchange.data.push(entry) } else { exchange.sent.push(entry) }
        }
    }
}

fn bytes(text: &str) -> Vec<u8> {
    text.split_whitespace().map(|byte| u8::from_str_radix(byte, 16).unwrap()).collect()
}

fn fill(parts: &[(usize, Vec<u8>)], length: usize) -> Vec<u8> {
    let mut data = vec![0; length];
    for (offset, part) in parts {
        data[*offset..offset + part.len()].copy_from_slice(part);
    }
    data
}

#[async_trait]
impl Nvme for Recorded {
    fn namespace(&self) -> u32 {
        self.0.namespace.unwrap()
    }

    async fn admin(&self, command: AdminCommand) -> io::Result<AdminAnswer> {
        assert_eq!(command.cdw10_to_15[1..], [0; 5]);
        let request =
            format!("{:02x} {:08x} {:08x}", command.opcode, command.namespace, command.cdw10_to_15[0]);
        let exchange = self.next(&request, &[])?;
        let length = exchange.length.unwrap_or(command.read);
        Ok(AdminAnswer { status: exchange.status.unwrap(), data: fill(&exchange.data, length) })
    }
}

#[async_trait]
impl Scsi for Recorded {
    async fn execute(&self, command: ScsiCommand) -> io::Result<ScsiAnswer> {
        let request: Vec<String> = command.cdb.iter().map(|byte| format!("{byte:02x}")).collect();
        let (sent, room) = match command.transfer {
            Transfer::None => (Vec::new(), 0),
            Transfer::Read(length) => (Vec::new(), length),
            Transfer::Write(data) => (data, 0),
        };
        let exchange = self.next(&request.join(" "), &sent)?;
        let length = exchange.length.unwrap_or(room);
        Ok(ScsiAnswer {
            status: u8::try_from(exchange.status.unwrap()).unwrap(),
            sense: exchange.sense.clone(),
            data: fill(&exchange.data, length),
        })
    }
}
