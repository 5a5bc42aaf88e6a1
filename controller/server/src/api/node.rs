//! `NodeService`: what administrators say.

use super::caller::User;
use super::reservation::{self, moment};
use super::status::{internal, refused};
use super::streams::{self, Gone, Outbox, Stream};
use super::{Api, apply, node_view, pool_view, tenant};
use crate::image::{self, Form};
use crate::init::Credential;
use crate::pki::Identity;
use crate::power::ByHand;
use crate::storage::{Upload, blocking};
use anyhow::Context as _;
use hostler_core::calendar::Times;
use hostler_core::catalogue::Content;
use hostler_core::hardware::Arch;
use hostler_core::ids::{LeaseId, NodeId};
use hostler_core::input::{AdminAction, Applied, Input, Reply};
use hostler_core::keep::KeepChange;
use hostler_core::pool::Limits;
use hostler_core::step::preview_apply;
use hostler_proto::node::v1 as wire;
use hostler_proto::node::v1::node_service_server::NodeService;
use hostler_store::EventFilter;
use std::io::Write as _;
use std::time::Duration;
use tokio::sync::broadcast::error::RecvError;
use tonic::{Request, Response, Status, Streaming};

/// Events in one answer.
const EVENTS: u32 = 1000;

/// Validity of a tenant's credential, unless said otherwise.
const CREDENTIAL_S: u64 = 90 * 24 * 3600;

#[tonic::async_trait]
impl NodeService for Api {
    type WatchNodesStream = Stream<wire::Node>;
    type WatchEventsStream = Stream<wire::Event>;

    async fn list_nodes(
        &self,
        request: Request<wire::ListNodesRequest>,
    ) -> Result<Response<wire::ListNodesResponse>, Status> {
        let user = User::of(&request)?;
        let pool = request.into_inner().pool;
        let nodes = self
            .visible_nodes(&user)
            .into_iter()
            .filter(|n| pool.is_empty() || n.spec.as_ref().is_some_and(|s| s.pool == pool));
        Ok(Response::new(wire::ListNodesResponse { nodes: nodes.collect() }))
    }

    async fn get_node(&self, request: Request<wire::GetNodeRequest>) -> Result<Response<wire::Node>, Status> {
        let user = User::of(&request)?;
        let name = request.into_inner().name;
        let id = self.0.published.read(|w| w.node_named(&name).map(|n| n.id));
        id.and_then(|id| self.visible_node(&user, id)).map(Response::new).ok_or_else(|| no_node(&name))
    }

    async fn watch_nodes(
        &self,
        request: Request<wire::WatchNodesRequest>,
    ) -> Result<Response<Stream<wire::Node>>, Status> {
        let user = User::of(&request)?;
        let api = self.clone();
        Ok(Response::new(streams::begin(&self.0.tasks, &self.0.stop, |outbox| {
            api.follow_nodes(user, outbox)
        })))
    }

    async fn power_node(
        &self,
        request: Request<wire::PowerNodeRequest>,
    ) -> Result<Response<wire::Node>, Status> {
        let author = User::admin(&request)?;
        let request = request.into_inner();
        let action = match request.action() {
            wire::PowerAction::Unspecified => {
                return Err(Status::invalid_argument("action: status, on, off or cycle"));
            }
            wire::PowerAction::Status => ByHand::Status,
            wire::PowerAction::On => ByHand::On,
            wire::PowerAction::Off => ByHand::Off,
            wire::PowerAction::Cycle => ByHand::Cycle,
        };
        let found = self.0.published.read(|w| w.node_named(&request.name).map(|n| (n.id, n.state.lease())));
        let (id, lease) = found.ok_or_else(|| no_node(&request.name))?;
        if action != ByHand::Status {
            let word = format!("{action:?}").to_ascii_lowercase();
            let action = AdminAction::Power { action: word, force: request.force };
            self.act(author.clone(), request.name.clone(), action).await?;
        }
        // Not ended with the call: a caller who goes away must not leave a machine between off and on.
        let power = self.0.power.clone();
        let work = self.0.tasks.spawn(async move { power.by_hand(id, lease, action).await });
        let on = work.await.map_err(anyhow::Error::from).flatten();
        let on = on.map_err(|e| Status::unavailable(format!("{e:#}")))?;
        let mut node = self.visible_node(&User::Admin(author), id).ok_or_else(|| no_node(&request.name))?;
        node.power_on = Some(on);
        Ok(Response::new(node))
    }

    async fn drain_node(
        &self,
        request: Request<wire::DrainNodeRequest>,
    ) -> Result<Response<wire::Node>, Status> {
        let author = User::admin(&request)?;
        let wire::DrainNodeRequest { name, reason, from_ms, deadline_ms, back_at_ms, r#override: anyway } =
            request.into_inner();
        let [from, deadline, back_at] = [from_ms, deadline_ms, back_at_ms].map(moment);
        let times = Times { from, deadline, back_at };
        self.act(author, name, AdminAction::Drain { reason, times, anyway }).await.map(Response::new)
    }

    async fn resume_node(
        &self,
        request: Request<wire::ResumeNodeRequest>,
    ) -> Result<Response<wire::Node>, Status> {
        let author = User::admin(&request)?;
        self.act(author, request.into_inner().name, AdminAction::Resume).await.map(Response::new)
    }

    async fn repair_node(
        &self,
        request: Request<wire::RepairNodeRequest>,
    ) -> Result<Response<wire::Node>, Status> {
        let author = User::admin(&request)?;
        self.act(author, request.into_inner().name, AdminAction::Repair).await.map(Response::new)
    }

    async fn retire_node(
        &self,
        request: Request<wire::RetireNodeRequest>,
    ) -> Result<Response<wire::Node>, Status> {
        let author = User::admin(&request)?;
        self.act(author, request.into_inner().name, AdminAction::Retire).await.map(Response::new)
    }

    async fn approve_wipe(
        &self,
        request: Request<wire::ApproveWipeRequest>,
    ) -> Result<Response<wire::Node>, Status> {
        let author = User::admin(&request)?;
        self.act(author, request.into_inner().name, AdminAction::ApproveWipe).await.map(Response::new)
    }

    async fn apply(
        &self,
        request: Request<wire::ApplyRequest>,
    ) -> Result<Response<wire::ApplyResponse>, Status> {
        let author = User::admin(&request)?;
        let request = request.into_inner();
        let nodes =
            request.nodes.into_iter().map(|n| apply::node(&self.0, n)).collect::<Result<Vec<_>, Status>>()?;
        let applied = if request.dry_run {
            self.0.published.read(|w| preview_apply(w, &nodes)).map_err(|e| refused(&e.into()))?
        } else {
            match self.0.submit(Input::Apply { author, nodes }).await.map_err(|e| refused(&e))? {
                Reply::Applied(applied) => applied,
                _ => return Err(Status::internal("no changes")),
            }
        };
        let change = |a: Applied| wire::AppliedChange {
            object: a.object,
            action: a.action.as_str().to_owned(),
            fields: a.fields,
        };
        Ok(Response::new(wire::ApplyResponse { changes: applied.into_iter().map(change).collect() }))
    }

    async fn add_image(
        &self,
        request: Request<Streaming<wire::AddImageRequest>>,
    ) -> Result<Response<wire::Image>, Status> {
        User::admin(&request)?;
        let mut parts = request.into_inner();
        let Some(wire::add_image_request::Part::Header(header)) = parts.message().await?.and_then(|m| m.part)
        else {
            return Err(Status::invalid_argument("the first message of an image is its header"));
        };
        let arch: Arch = header.arch.parse().map_err(|e| Status::invalid_argument(format!("arch: {e}")))?;
        let expected = (!header.sha256.is_empty()).then_some(header.sha256);
        let form = match header.diskless {
            None => Form::Disk,
            Some(wire::Diskless { kernel_bytes, arguments }) => Form::Diskless { kernel_bytes, arguments },
        };
        let content = self.store_image(parts, arch, expected, form).await?;
        let input = Input::AddImage { name: header.name, arch, content };
        match self.0.submit(input).await.map_err(|e| refused(&e))? {
            Reply::Image(id) => {
                let image = self.0.published.read(|w| w.images.get(id).map(|i| node_view::image(w, i)));
                image.map(Response::new).ok_or_else(|| Status::internal("no image"))
            }
            _ => Err(Status::internal("no image")),
        }
    }

    async fn list_images(
        &self,
        request: Request<wire::ListImagesRequest>,
    ) -> Result<Response<wire::ListImagesResponse>, Status> {
        User::of(&request)?;
        let images = self.0.published.read(|w| w.images.values().map(|i| node_view::image(w, i)).collect());
        Ok(Response::new(wire::ListImagesResponse { images }))
    }

    async fn clear_image(
        &self,
        request: Request<wire::ClearImageRequest>,
    ) -> Result<Response<wire::ListImagesResponse>, Status> {
        let author = User::admin(&request)?;
        let wire::ClearImageRequest { name, arch } = request.into_inner();
        let arch = Some(arch).filter(|arch| !arch.is_empty()).map(|arch| arch.parse::<Arch>()).transpose();
        let arch = arch.map_err(|e| Status::invalid_argument(format!("arch: {e}")))?;
        let input = Input::ClearImage { author, name: name.clone(), arch };
        self.0.submit(input).await.map_err(|e| refused(&e))?;
        let images = self.0.published.read(|w| {
            let named = Arch::ALL.into_iter().filter(|a| arch.is_none_or(|wanted| wanted == *a));
            named.filter_map(|a| w.image_for(&name, a)).map(|i| node_view::image(w, i)).collect()
        });
        Ok(Response::new(wire::ListImagesResponse { images }))
    }

    async fn set_pool(&self, request: Request<wire::SetPoolRequest>) -> Result<Response<wire::Pool>, Status> {
        let author = User::admin(&request)?;
        let wire::SetPoolRequest {
            name,
            max_booting,
            max_booting_per_rack,
            warm,
            max_powered,
            idle_off_ms,
            refresh_ms,
            ahead,
        } = request.into_inner();
        let keep = KeepChange { warm, max_powered, idle_off_ms, refresh_ms, ahead };
        let limits = Limits { max_booting, max_booting_per_rack, keep };
        let input = Input::SetPool { author, name: name.clone(), limits };
        self.0.submit(input).await.map_err(|e| refused(&e))?;
        self.pool(&name).map(Response::new)
    }

    async fn get_pool(&self, request: Request<wire::GetPoolRequest>) -> Result<Response<wire::Pool>, Status> {
        User::admin(&request)?;
        self.pool(&request.into_inner().name).map(Response::new)
    }

    async fn list_pools(
        &self,
        request: Request<wire::ListPoolsRequest>,
    ) -> Result<Response<wire::ListPoolsResponse>, Status> {
        User::admin(&request)?;
        let pools = self.pools();
        Ok(Response::new(wire::ListPoolsResponse { pools }))
    }

    async fn reserve(
        &self,
        request: Request<wire::ReserveRequest>,
    ) -> Result<Response<wire::Reservation>, Status> {
        let author = User::admin(&request)?;
        reservation::reserve(self, author, request.into_inner()).await.map(Response::new)
    }

    async fn list_reservations(
        &self,
        request: Request<wire::ListReservationsRequest>,
    ) -> Result<Response<wire::ListReservationsResponse>, Status> {
        let user = User::of(&request)?;
        let reservations = reservation::list(self, &user, &request.into_inner().tenant)?;
        Ok(Response::new(wire::ListReservationsResponse { reservations }))
    }

    async fn end_reservation(
        &self,
        request: Request<wire::EndReservationRequest>,
    ) -> Result<Response<wire::EndReservationResponse>, Status> {
        let author = User::admin(&request)?;
        let wire::EndReservationRequest { tenant, name } = request.into_inner();
        let input = Input::EndReservation { author, tenant, name };
        self.0.submit(input).await.map_err(|e| refused(&e))?;
        Ok(Response::new(wire::EndReservationResponse {}))
    }

    async fn add_tenant(
        &self,
        request: Request<wire::AddTenantRequest>,
    ) -> Result<Response<wire::Credential>, Status> {
        User::admin(&request)?;
        let wire::AddTenantRequest { name, valid_s } = request.into_inner();
        self.0.submit(Input::AddTenant { name: name.clone() }).await.map_err(|e| refused(&e))?;
        let who = Identity::Tenant(name.clone());
        let valid = Duration::from_secs(if valid_s == 0 { CREDENTIAL_S } else { valid_s });
        let authority = self.0.authority.load();
        let issued = authority
            .issue_client(&who, self.0.clock.now(), valid)
            .map_err(|e| internal("a credential", &e))?;
        let Credential { name, address, ca, certificate, key } =
            Credential::new(name, self.0.config.api.url.clone(), authority.pem(), issued);
        let addresses = self.0.office.addresses().into_iter().filter(|other| *other != address).collect();
        Ok(Response::new(wire::Credential { name, address, addresses, ca, certificate, key }))
    }

    async fn list_tenants(
        &self,
        request: Request<wire::ListTenantsRequest>,
    ) -> Result<Response<wire::ListTenantsResponse>, Status> {
        User::admin(&request)?;
        let tenants = self.0.published.read(|w| w.tenants.values().map(|t| tenant::view(w, t)).collect());
        Ok(Response::new(wire::ListTenantsResponse { tenants }))
    }

    async fn get_tenant(
        &self,
        request: Request<wire::GetTenantRequest>,
    ) -> Result<Response<wire::Tenant>, Status> {
        let user = User::of(&request)?;
        tenant::get(self, &user, &request.into_inner().name).map(Response::new)
    }

    async fn set_tenant(
        &self,
        request: Request<wire::SetTenantRequest>,
    ) -> Result<Response<wire::Tenant>, Status> {
        let author = User::admin(&request)?;
        tenant::set(self, &author, request.into_inner()).await.map(Response::new)
    }

    async fn list_events(
        &self,
        request: Request<wire::ListEventsRequest>,
    ) -> Result<Response<wire::ListEventsResponse>, Status> {
        let user = User::of(&request)?;
        let filter = self.event_filter(&user, &request.into_inner())?;
        let events = self.0.history(move |h| h.events(filter)).await.map_err(|e| internal("events", &e))?;
        let events = self.0.published.read(|w| events.iter().map(|e| node_view::event(w, e)).collect());
        Ok(Response::new(wire::ListEventsResponse { events }))
    }

    async fn watch_events(
        &self,
        request: Request<wire::ListEventsRequest>,
    ) -> Result<Response<Stream<wire::Event>>, Status> {
        let user = User::of(&request)?;
        let filter = self.event_filter(&user, &request.into_inner())?;
        let api = self.clone();
        Ok(Response::new(streams::begin(&self.0.tasks, &self.0.stop, |outbox| {
            api.follow_events(filter, outbox)
        })))
    }
}

impl Api {
    async fn act(&self, author: String, node: String, action: AdminAction) -> Result<wire::Node, Status> {
        let input = Input::Admin { author: author.clone(), node: node.clone(), action };
        self.0.submit(input).await.map_err(|e| refused(&e))?;
        let id = self.0.published.read(|w| w.node_named(&node).map(|n| n.id));
        id.and_then(|id| self.visible_node(&User::Admin(author), id)).ok_or_else(|| no_node(&node))
    }

    fn pools(&self) -> Vec<wire::Pool> {
        let now = self.0.clock.now();
        self.0.published.read(|world| pool_view::pools(world, now))
    }

    fn pool(&self, name: &str) -> Result<wire::Pool, Status> {
        let mut pools = self.pools().into_iter();
        pools.find(|pool| pool.name == name).ok_or_else(|| {
            Status::not_found(format!("there is no pool {name:?}; `hostler pool list` shows them"))
        })
    }

    /// An administrator sees every node, a tenant those of its leases.
    fn visible_node(&self, user: &User, id: NodeId) -> Option<wire::Node> {
        self.0.published.read(|w| {
            let node = w.nodes.get(id)?;
            let mine =
                || node.state.lease().and_then(|l| w.leases.get(l)).is_some_and(|l| user.may_touch(w, l));
            (matches!(user, User::Admin(_)) || mine()).then(|| node_view::node(w, &self.0.registry, node))
        })
    }

    fn visible_nodes(&self, user: &User) -> Vec<wire::Node> {
        let ids: Vec<_> = self.0.published.read(|w| w.nodes.values().map(|n| n.id).collect());
        ids.into_iter().filter_map(|id| self.visible_node(user, id)).collect()
    }

    async fn follow_nodes(self, user: User, outbox: Outbox<wire::Node>) -> Result<(), Gone> {
        let mut changes = self.0.published.changed_nodes();
        for node in self.visible_nodes(&user) {
            outbox.send(node).await?;
        }
        loop {
            let changed = tokio::select! {
                changed = changes.recv() => changed,
                () = outbox.closed() => return Ok(()),
            };
            match changed {
                Ok(id) => {
                    if let Some(node) = self.visible_node(&user, id) {
                        outbox.send(node).await?;
                    }
                }
                // The reader was too slow for every single change; it gets the present state of all.
                Err(RecvError::Lagged(_)) => {
                    for node in self.visible_nodes(&user) {
                        outbox.send(node).await?;
                    }
                }
                Err(RecvError::Closed) => return Ok(()),
            }
        }
    }

    fn event_filter(&self, user: &User, request: &wire::ListEventsRequest) -> Result<EventFilter, Status> {
        let node = match request.node.as_str() {
            "" => None,
            name => Some(
                self.0.published.read(|w| w.node_named(name).map(|n| n.id)).ok_or_else(|| no_node(name))?,
            ),
        };
        let lease = (request.lease_id > 0).then_some(LeaseId(request.lease_id));
        match (user, lease) {
            (User::Tenant(_), Some(lease)) => self.check_lease(user, lease)?,
            (User::Tenant(_), None) => {
                return Err(Status::permission_denied("a tenant sees the events of its leases: name one"));
            }
            (User::Admin(_), _) => {}
        }
        let limit = if request.limit == 0 { EVENTS } else { request.limit.min(EVENTS * 10) };
        Ok(EventFilter { after: request.after, limit, node, lease })
    }

    async fn follow_events(self, filter: EventFilter, outbox: Outbox<wire::Event>) -> Result<(), Gone> {
        let mut after = filter.after;
        let mut fresh = self.0.published.events();
        loop {
            // From the store: whatever the reader missed while it was slow is there too.
            let page = EventFilter { after, limit: EVENTS, ..filter };
            let events = match self.0.history(move |h| h.events(page)).await {
                Ok(events) => events,
                Err(error) => {
                    outbox.fail(internal("events", &error)).await;
                    return Ok(());
                }
            };
            let full = events.len() == EVENTS as usize;
            for event in events {
                after = event.id;
                let event = self.0.published.read(|w| node_view::event(w, &event));
                outbox.send(event).await?;
            }
            if full {
                continue;
            }
            tokio::select! {
                event = fresh.recv() => if matches!(event, Err(RecvError::Closed)) { return Ok(()) },
                () = outbox.closed() => return Ok(()),
            }
        }
    }

    async fn store_image(
        &self,
        mut parts: Streaming<wire::AddImageRequest>,
        arch: Arch,
        expected: Option<String>,
        form: Form,
    ) -> Result<Content, Status> {
        let failed = |e: anyhow::Error| Status::aborted(format!("{e:#}"));
        let images = self.0.images.clone();
        let mut upload: Upload = blocking(move || images.upload()).await.map_err(failed)?;
        while let Some(part) = parts.message().await? {
            let Some(wire::add_image_request::Part::Data(data)) = part.part else {
                return Err(Status::invalid_argument("after the header come bytes only"));
            };
            let store =
                move || upload.write_all(&data).map(|()| upload).context("the content cannot be stored");
            upload = blocking(store).await.map_err(failed)?;
        }
        let images = self.0.images.clone();
        let content = blocking(move || image::take_in(&images, upload, expected.as_deref(), arch, form))
            .await
            .map_err(|e| Status::invalid_argument(format!("{e:#}")))?;
        self.0.images.share(&content.sha256).await.map_err(failed)?;
        Ok(content)
    }
}

fn no_node(name: &str) -> Status {
    Status::not_found(format!("there is no node {name:?}; `hostler node list` shows them"))
}
