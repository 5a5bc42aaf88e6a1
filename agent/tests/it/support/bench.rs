//! One machine and its controller.

use super::controller::{Controller, Session};
use super::machine::TestMachine;
use super::pki::{NOW_MS, Pki};
use super::web::{Answer, Web};
use aws_lc_rs::digest::{SHA256, digest};
use hostler_agent::{BootParams, ControllerUrl, DeployedIdentity, Error, Exit, run_deployed, run_ramdisk};
use hostler_proto::agent::v1::agent_message::Message as FromAgent;
use hostler_proto::agent::v1::controller_message::Message as ToAgent;
use hostler_proto::agent::v1::task::Task as Kind;
use hostler_proto::agent::v1::{RunAck, RunFileData, RunFinished, Signed, StartRun, Task};
use rcgen::{CertificateParams, KeyPair};
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio::task::JoinHandle;

/// Whom the deployed agent's certificate is for.
const TENANT: &str = "hostler://node/1/boot/1/tenant";

pub(crate) struct Bench {
    pub(crate) machine: Arc<TestMachine>,
    pub(crate) controller: Controller,
    pub(crate) web: Web,
    pub(crate) pki: Arc<Pki>,
}

/// An agent that runs; dropping it cuts the machine's power.
pub(crate) struct Agent(JoinHandle<Result<Exit, Error>>);

impl Agent {
    pub(crate) async fn ended(mut self) -> Result<Exit, Error> {
        (&mut self.0).await.unwrap()
    }

    /// Cuts the power, and returns when there is none.
    pub(crate) async fn cut(mut self) {
        self.0.abort();
        assert!((&mut self.0).await.unwrap_err().is_cancelled());
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Bench {
    pub(crate) async fn new() -> Self {
        let pki = Arc::new(Pki::new());
        Self::with_controller_of(pki.clone(), &pki).await
    }

    /// With a controller that presents a certificate of another authority.
    pub(crate) async fn with_controller_of(pki: Arc<Pki>, presents: &Pki) -> Self {
        let controller = Controller::start(pki.clone(), presents).await;
        Self { machine: TestMachine::new(), controller, web: Web::start().await, pki }
    }

    pub(crate) fn params(&self) -> BootParams {
        let ca = self.web.put("/ca.pem", [Answer::file(self.pki.ca.as_str())]);
        let ca_sha256 = hex(&self.pki.ca);
        let command_line = format!(
            "quiet hostler.controller=https://{} hostler.ca={ca} hostler.ca_sha256={ca_sha256} hostler.boot=1 \
             hostler.node=n1 hostler.token=T0ken hostler.time_ms={NOW_MS}",
            self.controller.address
        );
        BootParams::parse(&command_line).unwrap()
    }

    pub(crate) fn ramdisk(&self) -> Agent {
        Agent(tokio::spawn(run_ramdisk(self.machine.clone(), self.params())))
    }

    /// An agent in the ramdisk and its first session.
    pub(crate) async fn ramdisk_session(&mut self) -> (Agent, Session) {
        let agent = self.ramdisk();
        (agent, self.controller.welcomed().await)
    }

    pub(crate) fn identity(&self) -> DeployedIdentity {
        let key = KeyPair::generate().unwrap();
        let csr = CertificateParams::default().serialize_request(&key).unwrap();
        DeployedIdentity {
            controller: ControllerUrl::from(self.controller.address),
            controllers: Vec::new(),
            node: "n1".into(),
            boot: "1".into(),
            hostname: "n1".into(),
            ca: self.pki.ca.clone(),
            certificate_chain: self.pki.sign(csr.der(), TENANT),
            key: key.serialize_pem().into(),
            time_ms: NOW_MS,
            epoch: 1,
            ssh_keys: Vec::new(),
        }
    }

    /// Signs what the agent in the ramdisk asks for next: the key of the deployed one.
    pub(crate) async fn sign(&self, session: &mut Session) {
        let FromAgent::SignRequest(request) = session.next().await else { panic!("no request") };
        let certificate_chain = self.pki.sign(&request.csr, TENANT);
        session.send(ToAgent::Signed(Signed { certificate_chain })).await;
    }

    pub(crate) fn deployed(&self) -> Agent {
        Agent(tokio::spawn(run_deployed(self.machine.clone(), self.identity())))
    }

    /// An agent of the deployed system and its first session.
    pub(crate) async fn deployed_session(&mut self) -> (Agent, Session) {
        let agent = self.deployed();
        (agent, self.controller.welcomed().await)
    }
}

pub(crate) fn task(id: u64, kind: Kind) -> ToAgent {
    ToAgent::Task(Task { id, epoch: 1, task: Some(kind) })
}

/// A run of a shell script.
pub(crate) fn shell(run_id: u32, script: &str) -> StartRun {
    StartRun {
        run_id,
        epoch: 1,
        command: ["sh", "-c", script].map(str::to_owned).into(),
        ..StartRun::default()
    }
}

/// What a controller has of one run.
#[derive(Debug, Default)]
pub(crate) struct Stored {
    pub(crate) started: bool,
    pub(crate) output: Vec<u8>,
    pub(crate) files: BTreeMap<String, Vec<u8>>,
    pub(crate) finished: Option<RunFinished>,
}

impl Stored {
    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.output).unwrap()
    }

    pub(crate) fn result(&self) -> &RunFinished {
        self.finished.as_ref().unwrap()
    }

    /// Takes one message about a run as a controller does: by offset, so that what is sent again is no harm. Returns
    /// the acknowledgement.
    pub(crate) fn take(&mut self, message: FromAgent) -> Option<RunAck> {
        match message {
            FromAgent::RunStarted(_) => {
                self.started = true;
                None
            }
            FromAgent::RunOutput(output) => {
                append(&mut self.output, output.offset, &output.data);
                Some(RunAck {
                    run_id: output.run_id,
                    output_bytes: self.output.len() as u64,
                    finished: false,
                })
            }
            FromAgent::RunFile(RunFileData { path, offset, data, .. }) => {
                append(self.files.entry(path).or_default(), offset, &data);
                None
            }
            FromAgent::RunFinished(finished) => {
                assert_eq!(finished.output_bytes, self.output.len() as u64);
                for file in &finished.files {
                    let data = &self.files[&file.path];
                    assert_eq!((file.size, &file.sha256), (data.len() as u64, &hex(data)));
                }
                let ack =
                    RunAck { run_id: finished.run_id, output_bytes: finished.output_bytes, finished: true };
                self.finished = Some(finished);
                Some(ack)
            }
            other => panic!("{other:?}"),
        }
    }
}

fn append(stored: &mut Vec<u8>, offset: u64, data: &[u8]) {
    let offset = usize::try_from(offset).unwrap();
    assert!(offset <= stored.len(), "bytes from {} to {offset} are missing", stored.len());
    let known = stored.len() - offset;
    let (again, fresh) = data.split_at(known.min(data.len()));
    assert_eq!(again, &stored[offset..offset + again.len()], "what is sent again is the same");
    stored.extend_from_slice(fresh);
}

impl Session {
    /// Takes and acknowledges everything about one run until it has ended.
    pub(crate) async fn follow(&mut self) -> Stored {
        let mut stored = Stored::default();
        while stored.finished.is_none() {
            let message = self.next().await;
            if let Some(ack) = stored.take(message) {
                self.send(ToAgent::RunAck(ack)).await;
            }
        }
        stored
    }

    /// Starts a run and follows it to its end.
    pub(crate) async fn run(&mut self, start: StartRun) -> Stored {
        self.send(ToAgent::StartRun(start)).await;
        self.follow().await
    }
}

pub(crate) fn hex(data: impl AsRef<[u8]>) -> String {
    digest(&SHA256, data.as_ref()).as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}
