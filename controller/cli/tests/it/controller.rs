//! A controller that says what a test wants it to say. Each of its lives has a runtime of its own: dropping it is
//! `kill -9`.

use futures::stream::{self, BoxStream, StreamExt as _};
use hostler_proto::lease::v1::lease_service_server::{LeaseService, LeaseServiceServer};
use hostler_proto::lease::v1::run_event::Event;
use hostler_proto::lease::v1::{self as lease, FileChunk, OutputChunk, RunEvent};
use hostler_proto::node::v1::node_service_server::{NodeService, NodeServiceServer};
use hostler_proto::node::v1::{self as node, add_image_request::Part};
use prost::Message as _;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::pki_types::PrivateKeyDer;
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex};
use tempfile::TempDir;
use tokio::io::{DuplexStream, copy_bidirectional};
use tokio::net::TcpStream;
use tokio::runtime::Runtime;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tonic::metadata::MetadataValue;
use tonic::transport::Server;
use tonic::{Request, Response, Status, Streaming};

/// What a controller knows and what it was asked.
#[derive(Clone, Default)]
pub(crate) struct World {
    /// What a watch sends, one after the other. `GetLease` says the first. A watch stays open until CLOSED was sent.
    pub(crate) leases: Vec<lease::Lease>,
    pub(crate) run: lease::Run,
    pub(crate) accounts: Vec<lease::LeaseAccount>,
    /// Node to what it wrote.
    pub(crate) output: BTreeMap<String, Vec<u8>>,
    /// So many bytes before the wanted offset are sent once more.
    pub(crate) overlap: usize,
    /// So many bytes at the beginning of each output were thrown away.
    pub(crate) lost: usize,
    /// The run is over and its output complete.
    pub(crate) is_over: bool,
    pub(crate) files: BTreeMap<String, Vec<u8>>,
    /// Is told of each power command, which then is never answered.
    pub(crate) power: Option<Sender<()>>,
    /// What comes of a request that is only tried.
    pub(crate) preview: lease::LeasePreview,
    /// Every request is refused for this, at its place.
    pub(crate) problem: Option<lease::TextProblem>,
    pub(crate) asked: Arc<Mutex<Asked>>,
}

/// What the program said.
#[derive(Default)]
pub(crate) struct Asked {
    pub(crate) leases: Vec<lease::RequestLeaseRequest>,
    pub(crate) runs: Vec<lease::StartRunRequest>,
    pub(crate) offsets: Vec<BTreeMap<String, u64>>,
    pub(crate) releases: Vec<lease::ReleaseLeaseRequest>,
    pub(crate) extensions: Vec<lease::ExtendLeaseRequest>,
    pub(crate) replacements: Vec<lease::ReplaceMemberRequest>,
    pub(crate) accounts: Vec<lease::AccountLeasesRequest>,
    /// Of each watch and of each followed run, whether it keeps the lease alive.
    pub(crate) keepalives: Vec<bool>,
    pub(crate) nodes: Vec<node::NodeSpec>,
}

/// A place for controllers to live one after the other, and credentials for it.
pub(crate) struct Place {
    pub(crate) dir: TempDir,
    address: SocketAddr,
    tls: TlsAcceptor,
    issuer: CertifiedIssuer<'static, KeyPair>,
    life: Option<Runtime>,
}

impl Place {
    /// A place where nobody lives yet.
    pub(crate) fn new() -> Self {
        // The listener gives the port back, and the lives bind it again: nobody else has this address.
        let address = TcpListener::bind((own_address(), 0)).unwrap().local_addr().unwrap();
        let issuer = issuer();
        let tls = acceptor(&issuer, address.ip());
        Self { dir: tempfile::tempdir().unwrap(), address, tls, issuer, life: None }
    }

    /// A controller with this world. An older one is killed first.
    pub(crate) fn live(&mut self, world: World) {
        self.kill();
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let (address, tls) = (self.address, self.tls.clone());
        let listener = runtime.block_on(tokio::net::TcpListener::bind(address)).unwrap();
        let connections = stream::unfold((listener, tls), |(listener, tls)| async move {
            loop {
                let (tcp, _) = listener.accept().await.ok()?;
                if let Ok(connection) = tls.accept(tcp).await {
                    return Some((Ok::<_, std::io::Error>(plain(connection)), (listener, tls)));
                }
            }
        });
        let server = Server::builder()
            .add_service(LeaseServiceServer::new(world.clone()))
            .add_service(NodeServiceServer::new(world));
        runtime.spawn(server.serve_with_incoming(connections));
        self.life = Some(runtime);
    }

    /// Ends the controller at once, with all its connections.
    pub(crate) fn kill(&mut self) {
        if let Some(runtime) = self.life.take() {
            runtime.shutdown_timeout(std::time::Duration::from_secs(10));
        }
    }

    /// Credentials that the controller accepts.
    pub(crate) fn credentials(&self) -> PathBuf {
        self.write("good.toml", &self.credential(&self.issuer))
    }

    /// Credentials of another controller, which ours does not accept; they trust ours.
    pub(crate) fn foreign_credentials(&self) -> PathBuf {
        self.write("foreign.toml", &self.credential(&issuer()))
    }

    /// Credentials that trust another controller only.
    pub(crate) fn distrustful_credentials(&self) -> PathBuf {
        let credential = node::Credential { ca: issuer().pem(), ..self.credential(&self.issuer) };
        self.write("distrustful.toml", &credential)
    }

    fn credential(&self, issuer: &CertifiedIssuer<'static, KeyPair>) -> node::Credential {
        let key = KeyPair::generate().unwrap();
        let certificate = CertificateParams::new(Vec::new()).unwrap().signed_by(&key, issuer).unwrap();
        node::Credential {
            name: "ci".to_owned(),
            address: format!("https://{}", self.address),
            addresses: Vec::new(),
            ca: self.issuer.pem(),
            certificate: certificate.pem(),
            key: key.serialize_pem(),
        }
    }

    fn write(&self, name: &str, credential: &node::Credential) -> PathBuf {
        use std::os::unix::fs::PermissionsExt as _;
        let node::Credential { name: tenant, address, ca, certificate, key, .. } = credential;
        let text = format!(
            "name = '{tenant}'\naddress = '{address}'\nca = '''{ca}'''\ncertificate = '''{certificate}'''\nkey = '''{key}'''\n"
        );
        let path = self.dir.path().join(name);
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        path
    }

    /// A path in a directory of this test's own.
    pub(crate) fn path(&self, name: impl AsRef<Path>) -> PathBuf {
        self.dir.path().join(name)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.kill();
    }
}

/// The decrypted side of a connection, as a type that tonic knows.
fn plain(mut connection: TlsStream<TcpStream>) -> DuplexStream {
    let (near, mut far) = tokio::io::duplex(64 << 10);
    tokio::spawn(async move { copy_bidirectional(&mut connection, &mut far).await });
    near
}

fn issuer() -> CertifiedIssuer<'static, KeyPair> {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

/// A loopback address that no other test uses, in this process or another one.
fn own_address() -> Ipv4Addr {
    static PLACES: AtomicU8 = AtomicU8::new(1);
    let [.., high, low] = std::process::id().to_be_bytes();
    Ipv4Addr::new(127, 64 | (high & 63), low, PLACES.fetch_add(1, Ordering::Relaxed))
}

fn acceptor(issuer: &CertifiedIssuer<'static, KeyPair>, address: IpAddr) -> TlsAcceptor {
    let key = KeyPair::generate().unwrap();
    let certificate =
        CertificateParams::new(vec![address.to_string()]).unwrap().signed_by(&key, issuer).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut roots = RootCertStore::empty();
    roots.add(issuer.der().clone()).unwrap();
    let verifier =
        WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider.clone()).build().unwrap();
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .with_client_cert_verifier(verifier)
        .with_single_cert(
            vec![certificate.der().clone()],
            PrivateKeyDer::try_from(key.serialize_der()).unwrap(),
        )
        .unwrap();
    config.alpn_protocols = vec![b"h2".to_vec()];
    TlsAcceptor::from(Arc::new(config))
}

type Answer<T> = Result<Response<T>, Status>;
type Stream<T> = BoxStream<'static, Result<T, Status>>;

/// `items`, and then silence.
fn open<T: Send + 'static>(items: Vec<T>) -> Stream<T> {
    stream::iter(items).map(Ok).chain(stream::pending()).boxed()
}

#[tonic::async_trait]
impl LeaseService for World {
    async fn request_lease(&self, request: Request<lease::RequestLeaseRequest>) -> Answer<lease::Lease> {
        self.asked.lock().unwrap().leases.push(request.into_inner());
        if let Some(problem) = &self.problem {
            let mut status = Status::invalid_argument(&problem.message);
            let bytes = MetadataValue::from_bytes(&problem.encode_to_vec());
            status.metadata_mut().insert_bin("hostler-text-problem-bin", bytes);
            return Err(status);
        }
        match self.leases.first() {
            Some(lease) => Ok(Response::new(lease.clone())),
            None => Err(Status::failed_precondition("no registered node is a ppc64le; there are 4 x86_64")),
        }
    }

    async fn preview_lease(
        &self,
        request: Request<lease::RequestLeaseRequest>,
    ) -> Answer<lease::LeasePreview> {
        self.asked.lock().unwrap().leases.push(request.into_inner());
        Ok(Response::new(self.preview.clone()))
    }

    async fn get_lease(&self, _: Request<lease::GetLeaseRequest>) -> Answer<lease::Lease> {
        self.leases
            .first()
            .cloned()
            .map(Response::new)
            .ok_or_else(|| Status::not_found("there is no such lease"))
    }

    type WatchLeaseStream = Stream<lease::Lease>;

    async fn watch_lease(&self, request: Request<lease::GetLeaseRequest>) -> Answer<Self::WatchLeaseStream> {
        self.asked.lock().unwrap().keepalives.push(request.into_inner().keepalive);
        Ok(Response::new(open(self.leases.clone())))
    }

    async fn list_leases(&self, _: Request<lease::ListLeasesRequest>) -> Answer<lease::ListLeasesResponse> {
        Ok(Response::new(lease::ListLeasesResponse { leases: self.leases.clone() }))
    }

    async fn release_lease(&self, request: Request<lease::ReleaseLeaseRequest>) -> Answer<lease::Lease> {
        self.asked.lock().unwrap().releases.push(request.into_inner());
        Err(Status::permission_denied("lease 7 belongs to another tenant"))
    }

    async fn extend_lease(
        &self,
        request: Request<lease::ExtendLeaseRequest>,
    ) -> Answer<lease::ExtendLeaseResponse> {
        self.asked.lock().unwrap().extensions.push(request.into_inner());
        let note = "granted 20 min of 30 min: another lease waits for its machines".to_owned();
        let lease = self.leases.first().cloned();
        let (until_ms, granted_ms) = (1_774_087_953_000, 1_200_000);
        Ok(Response::new(lease::ExtendLeaseResponse { lease, until_ms, granted_ms, note }))
    }

    async fn replace_member(
        &self,
        request: Request<lease::ReplaceMemberRequest>,
    ) -> Answer<lease::ReplaceMemberResponse> {
        self.asked.lock().unwrap().replacements.push(request.into_inner());
        let lease = self.leases.first().cloned();
        Ok(Response::new(lease::ReplaceMemberResponse { lease, substitute: "r1-n05".to_owned() }))
    }

    type AccountLeasesStream = Stream<lease::LeaseAccount>;

    async fn account_leases(
        &self,
        request: Request<lease::AccountLeasesRequest>,
    ) -> Answer<Self::AccountLeasesStream> {
        self.asked.lock().unwrap().accounts.push(request.into_inner());
        Ok(Response::new(stream::iter(self.accounts.clone()).map(Ok).boxed()))
    }

    async fn start_run(&self, request: Request<lease::StartRunRequest>) -> Answer<lease::Run> {
        self.asked.lock().unwrap().runs.push(request.into_inner());
        Ok(Response::new(self.run.clone()))
    }

    async fn get_run(&self, _: Request<lease::GetRunRequest>) -> Answer<lease::Run> {
        Ok(Response::new(self.run.clone()))
    }

    async fn stop_run(&self, _: Request<lease::StopRunRequest>) -> Answer<lease::Run> {
        Ok(Response::new(self.run.clone()))
    }

    type FollowRunStream = Stream<RunEvent>;

    async fn follow_run(&self, request: Request<lease::FollowRunRequest>) -> Answer<Self::FollowRunStream> {
        let request = request.into_inner();
        self.asked.lock().unwrap().keepalives.push(request.keepalive);
        let offsets: BTreeMap<_, _> = request.offsets.into_iter().collect();
        let mut events: Vec<_> = self.output.keys().flat_map(|node| self.chunks(node, &offsets)).collect();
        self.asked.lock().unwrap().offsets.push(offsets);
        events.extend(self.run.tasks.iter().map(|task| RunEvent { event: Some(Event::Task(task.clone())) }));
        let events = open(events.clone()).take(if self.is_over { events.len() } else { usize::MAX });
        Ok(Response::new(events.boxed()))
    }

    type GetRunFileStream = Stream<FileChunk>;

    async fn get_run_file(
        &self,
        request: Request<lease::GetRunFileRequest>,
    ) -> Answer<Self::GetRunFileStream> {
        let path = request.into_inner().path;
        let contents = self.files.get(&path).ok_or_else(|| Status::not_found("there is no such file"))?;
        let chunks: Vec<_> =
            contents.chunks(5).map(|data| Ok(FileChunk { data: data.to_vec().into() })).collect();
        Ok(Response::new(stream::iter(chunks).boxed()))
    }
}

impl World {
    /// What `node` wrote from the wanted offset on, in pieces of three bytes.
    fn chunks(&self, node: &str, offsets: &BTreeMap<String, u64>) -> Vec<RunEvent> {
        let wanted = usize::try_from(offsets.get(node).copied().unwrap_or(0)).unwrap();
        let from = wanted.saturating_sub(self.overlap).max(self.lost);
        let pieces = self.output[node].get(from..).unwrap_or_default().chunks(3).enumerate();
        let chunk = |(index, data): (usize, &[u8])| OutputChunk {
            node: node.to_owned(),
            offset: (from + 3 * index) as u64,
            data: data.to_vec().into(),
        };
        pieces.map(chunk).map(|chunk| RunEvent { event: Some(Event::Output(chunk)) }).collect()
    }

    fn node(&self, name: String) -> Answer<node::Node> {
        let spec = Some(node::NodeSpec { name, arch: "x86_64".to_owned(), ..Default::default() });
        Ok(Response::new(node::Node { spec, state: "ready".to_owned(), ..Default::default() }))
    }
}

#[tonic::async_trait]
impl NodeService for World {
    async fn list_nodes(&self, _: Request<node::ListNodesRequest>) -> Answer<node::ListNodesResponse> {
        let nodes = ["r1-n02", "r1-n01"].map(|name| self.node(name.to_owned()).unwrap().into_inner());
        Ok(Response::new(node::ListNodesResponse { nodes: nodes.into() }))
    }

    async fn get_node(&self, request: Request<node::GetNodeRequest>) -> Answer<node::Node> {
        self.node(request.into_inner().name)
    }

    type WatchNodesStream = Stream<node::Node>;

    async fn watch_nodes(&self, _: Request<node::WatchNodesRequest>) -> Answer<Self::WatchNodesStream> {
        Ok(Response::new(open(vec![self.node("r1-n01".to_owned()).unwrap().into_inner()])))
    }

    async fn power_node(&self, _: Request<node::PowerNodeRequest>) -> Answer<node::Node> {
        match &self.power {
            None => Err(Status::unavailable("the BMC does not answer")),
            Some(arrived) => {
                arrived.send(()).unwrap();
                std::future::pending().await
            }
        }
    }

    async fn drain_node(&self, request: Request<node::DrainNodeRequest>) -> Answer<node::Node> {
        self.node(request.into_inner().name)
    }

    async fn reserve(&self, request: Request<node::ReserveRequest>) -> Answer<node::Reservation> {
        let node::ReserveRequest { tenant, name, nodes, length_s, .. } = request.into_inner();
        Ok(Response::new(node::Reservation { tenant, name, nodes, length_s, ..Default::default() }))
    }

    async fn list_reservations(
        &self,
        _: Request<node::ListReservationsRequest>,
    ) -> Answer<node::ListReservationsResponse> {
        Ok(Response::new(node::ListReservationsResponse::default()))
    }

    async fn end_reservation(
        &self,
        request: Request<node::EndReservationRequest>,
    ) -> Answer<node::EndReservationResponse> {
        let name = request.into_inner().name;
        Err(Status::not_found(format!("this tenant has no reservation {name:?}; it has none")))
    }

    async fn resume_node(&self, request: Request<node::ResumeNodeRequest>) -> Answer<node::Node> {
        self.node(request.into_inner().name)
    }

    async fn repair_node(&self, request: Request<node::RepairNodeRequest>) -> Answer<node::Node> {
        self.node(request.into_inner().name)
    }

    async fn retire_node(&self, request: Request<node::RetireNodeRequest>) -> Answer<node::Node> {
        self.node(request.into_inner().name)
    }

    async fn approve_wipe(&self, request: Request<node::ApproveWipeRequest>) -> Answer<node::Node> {
        self.node(request.into_inner().name)
    }

    async fn apply(&self, request: Request<node::ApplyRequest>) -> Answer<node::ApplyResponse> {
        let node::ApplyRequest { nodes, dry_run } = request.into_inner();
        let change = |node: &node::NodeSpec| node::AppliedChange {
            object: format!("node {}", node.name),
            action: if dry_run { "unchanged" } else { "created" }.to_owned(),
            fields: Vec::new(),
        };
        let changes = nodes.iter().map(change).collect();
        self.asked.lock().unwrap().nodes.extend(nodes);
        Ok(Response::new(node::ApplyResponse { changes }))
    }

    async fn add_image(&self, request: Request<Streaming<node::AddImageRequest>>) -> Answer<node::Image> {
        let mut parts = request.into_inner();
        let mut image = node::Image::default();
        while let Some(node::AddImageRequest { part: Some(part) }) = parts.message().await? {
            match part {
                Part::Header(node::ImageHeader { name, arch, sha256, diskless }) => {
                    image =
                        node::Image { name, arch, sha256, diskless, status: "candidate".to_owned(), ..image };
                }
                Part::Data(data) => image.size_bytes += data.len() as u64,
            }
        }
        Ok(Response::new(image))
    }

    async fn list_images(&self, _: Request<node::ListImagesRequest>) -> Answer<node::ListImagesResponse> {
        Ok(Response::new(node::ListImagesResponse::default()))
    }

    async fn set_pool(&self, request: Request<node::SetPoolRequest>) -> Answer<node::Pool> {
        let node::SetPoolRequest {
            name,
            max_booting,
            max_booting_per_rack,
            warm,
            max_powered,
            idle_off_ms,
            refresh_ms,
            ahead,
        } = request.into_inner();
        Ok(Response::new(node::Pool {
            name,
            max_booting: max_booting.unwrap_or(7),
            max_booting_per_rack: max_booting_per_rack.unwrap_or(7),
            warm: warm.unwrap_or(7),
            max_powered: max_powered.unwrap_or(7),
            idle_off_ms: idle_off_ms.unwrap_or(7),
            refresh_ms: refresh_ms.unwrap_or(7),
            ahead: ahead.unwrap_or(7),
            ..node::Pool::default()
        }))
    }

    async fn get_pool(&self, request: Request<node::GetPoolRequest>) -> Answer<node::Pool> {
        Err(Status::not_found(format!("there is no pool {:?}", request.into_inner().name)))
    }

    async fn list_pools(&self, _: Request<node::ListPoolsRequest>) -> Answer<node::ListPoolsResponse> {
        Ok(Response::new(node::ListPoolsResponse::default()))
    }

    async fn clear_image(
        &self,
        request: Request<node::ClearImageRequest>,
    ) -> Answer<node::ListImagesResponse> {
        let node::ClearImageRequest { name, arch } = request.into_inner();
        if name != "fedora" {
            return Err(Status::not_found(format!("there is no image {name:?}; see `hostler image list`")));
        }
        let image = node::Image { name, arch, status: "candidate".to_owned(), ..node::Image::default() };
        Ok(Response::new(node::ListImagesResponse { images: vec![image] }))
    }

    async fn add_tenant(&self, request: Request<node::AddTenantRequest>) -> Answer<node::Credential> {
        let credential = |text: &str| format!("-----BEGIN {text}-----\nAA==\n-----END {text}-----\n");
        Ok(Response::new(node::Credential {
            name: request.into_inner().name,
            address: "https://127.0.0.1:1".to_owned(),
            addresses: Vec::new(),
            ca: credential("CERTIFICATE"),
            certificate: credential("CERTIFICATE"),
            key: credential("PRIVATE KEY"),
        }))
    }

    async fn list_tenants(&self, _: Request<node::ListTenantsRequest>) -> Answer<node::ListTenantsResponse> {
        Ok(Response::new(node::ListTenantsResponse::default()))
    }

    async fn get_tenant(&self, request: Request<node::GetTenantRequest>) -> Answer<node::Tenant> {
        Ok(Response::new(node::Tenant { name: request.into_inner().name, share: 1, ..Default::default() }))
    }

    async fn set_tenant(&self, request: Request<node::SetTenantRequest>) -> Answer<node::Tenant> {
        let node::SetTenantRequest { name, share, priority, max_machines, .. } = request.into_inner();
        let (share, priority) = (share.unwrap_or(1), priority.unwrap_or_default());
        Ok(Response::new(node::Tenant { name, share, priority, max_machines, ..Default::default() }))
    }

    async fn list_events(
        &self,
        request: Request<node::ListEventsRequest>,
    ) -> Answer<node::ListEventsResponse> {
        let node::ListEventsRequest { after, limit, .. } = request.into_inner();
        let event = |id| node::Event {
            id,
            severity: "info".to_owned(),
            kind: "tick".to_owned(),
            ..Default::default()
        };
        let events = (after + 1..=2_500).take(limit as usize).map(event).collect();
        Ok(Response::new(node::ListEventsResponse { events }))
    }

    type WatchEventsStream = Stream<node::Event>;

    async fn watch_events(&self, _: Request<node::ListEventsRequest>) -> Answer<Self::WatchEventsStream> {
        Err(Status::unimplemented("not here"))
    }
}
