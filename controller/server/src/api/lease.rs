//! `LeaseService`: what CI jobs say.

use super::caller::{User, no_lease};
use super::keepalive::Keeps;
use super::status::{internal, refused};
use super::streams::{self, Gone, Outbox, Stream};
use super::{Api, account, lease_request, lease_view, run};
use hostler_core::course::MoreTime;
use hostler_core::ids::LeaseId;
use hostler_core::input::{Input, Reply};
use hostler_core::step::preview_request;
use hostler_core::time::Timestamp;
use hostler_core::world::World;
use hostler_proto::lease::v1::extend_lease_request::Wanted;
use hostler_proto::lease::v1::lease_service_server::LeaseService;
use hostler_proto::lease::v1::{
    AccountLeasesRequest, ExtendLeaseRequest, ExtendLeaseResponse, FileChunk, FollowRunRequest,
    GetLeaseRequest, GetRunFileRequest, GetRunRequest, Lease, LeaseAccount, LeasePreview, LeaseState,
    ListLeasesRequest, ListLeasesResponse, ReleaseLeaseRequest, ReplaceMemberRequest, ReplaceMemberResponse,
    RequestLeaseRequest, Run, RunEvent, StartRunRequest, StopRunRequest,
};
use tonic::{Request, Response, Status};

/// Leases in one list.
const LIST: u32 = 500;

#[tonic::async_trait]
impl LeaseService for Api {
    type WatchLeaseStream = Stream<Lease>;
    type FollowRunStream = Stream<RunEvent>;
    type GetRunFileStream = Stream<FileChunk>;
    type AccountLeasesStream = Stream<LeaseAccount>;

    async fn request_lease(&self, request: Request<RequestLeaseRequest>) -> Result<Response<Lease>, Status> {
        let user = User::of(&request)?;
        let request = request.into_inner();
        let spec = lease_request::spec(&request)?;
        let tenant = self.tenant(&user).await?;
        let key = request.idempotency_key;
        match self.0.submit(Input::RequestLease { tenant, key, spec }).await.map_err(|e| refused(&e))? {
            Reply::Lease(id) => {
                self.0.keepalives.heard(id);
                self.lease_now(id).await.map(Response::new)
            }
            _ => Err(Status::internal("no lease")),
        }
    }

    async fn preview_lease(
        &self,
        request: Request<RequestLeaseRequest>,
    ) -> Result<Response<LeasePreview>, Status> {
        let user = User::of(&request)?;
        let spec = lease_request::spec(&request.into_inner())?;
        let preview = self.0.published.read(|world| {
            let tenant = match &user {
                User::Tenant(name) => world.tenant_named(name).map(|tenant| tenant.id),
                User::Admin(_) => None,
            };
            preview_request(world, tenant, &spec)
        });
        let preview = preview.map_err(|e| refused(&e.into()))?;
        Ok(Response::new(lease_view::preview(preview)))
    }

    async fn get_lease(&self, request: Request<GetLeaseRequest>) -> Result<Response<Lease>, Status> {
        let user = User::of(&request)?;
        let request = request.into_inner();
        let id = LeaseId(request.id);
        let found = self.find_lease(&user, id).await?;
        if request.keepalive {
            self.0.keepalives.heard(id);
        }
        Ok(Response::new(found))
    }

    async fn watch_lease(
        &self,
        request: Request<GetLeaseRequest>,
    ) -> Result<Response<Stream<Lease>>, Status> {
        let user = User::of(&request)?;
        let request = request.into_inner();
        let id = LeaseId(request.id);
        self.find_lease(&user, id).await?;
        let keeps = request.keepalive.then(|| Keeps::alive(&self.0, id));
        let api = self.clone();
        let stream = streams::begin(&self.0.tasks, &self.0.stop, |outbox| async move {
            let _keeps = keeps;
            api.follow_lease(id, outbox).await
        });
        Ok(Response::new(stream))
    }

    async fn list_leases(
        &self,
        request: Request<ListLeasesRequest>,
    ) -> Result<Response<ListLeasesResponse>, Status> {
        let user = User::of(&request)?;
        let mut leases = self.open_leases(&user);
        if request.into_inner().include_closed {
            leases.extend(self.closed_leases(&user).await?);
        }
        leases.sort_by_key(|l| std::cmp::Reverse(l.id));
        Ok(Response::new(ListLeasesResponse { leases }))
    }

    async fn release_lease(&self, request: Request<ReleaseLeaseRequest>) -> Result<Response<Lease>, Status> {
        let user = User::of(&request)?;
        let request = request.into_inner();
        let id = LeaseId(request.id);
        let before = self.find_lease(&user, id).await?;
        if before.state == i32::from(LeaseState::Closed) {
            return Ok(Response::new(before));
        }
        let input = Input::ReleaseLease { lease: id, author: user.label(), at_once: request.at_once };
        self.0.submit(input).await.map_err(|e| refused(&e))?;
        self.lease_now(id).await.map(Response::new)
    }

    async fn extend_lease(
        &self,
        request: Request<ExtendLeaseRequest>,
    ) -> Result<Response<ExtendLeaseResponse>, Status> {
        let user = User::of(&request)?;
        let request = request.into_inner();
        let id = LeaseId(request.id);
        self.find_lease(&user, id).await?;
        let wanted = match request.wanted {
            Some(Wanted::ByS(seconds)) => MoreTime::By(seconds.saturating_mul(1000)),
            Some(Wanted::UntilMs(at)) => MoreTime::Until(Timestamp(at)),
            None => return Err(Status::invalid_argument("wanted: say by how much, or until when")),
        };
        let (key, author) = (request.idempotency_key, user.label());
        let input = Input::ExtendLease { lease: id, key, wanted, author };
        let Reply::Extended(grant) = self.0.submit(input).await.map_err(|e| refused(&e))? else {
            return Err(Status::internal("no extension"));
        };
        Ok(Response::new(ExtendLeaseResponse {
            lease: Some(self.lease_now(id).await?),
            until_ms: grant.until.0,
            granted_ms: grant.granted_ms,
            note: grant.note.unwrap_or_default(),
        }))
    }

    async fn replace_member(
        &self,
        request: Request<ReplaceMemberRequest>,
    ) -> Result<Response<ReplaceMemberResponse>, Status> {
        let user = User::of(&request)?;
        let request = request.into_inner();
        let id = LeaseId(request.id);
        self.find_lease(&user, id).await?;
        let (key, node, why) = (request.idempotency_key, request.node, request.reason);
        let input = Input::ReplaceMember { lease: id, key, node, why, author: user.label() };
        let Reply::Replaced(substitute) = self.0.submit(input).await.map_err(|e| refused(&e))? else {
            return Err(Status::internal("no replacement"));
        };
        let name = |w: &World| w.nodes.get(substitute).map(|n| n.spec.name.clone());
        Ok(Response::new(ReplaceMemberResponse {
            lease: Some(self.lease_now(id).await?),
            substitute: self.0.published.read(name).unwrap_or_default(),
        }))
    }

    async fn account_leases(
        &self,
        request: Request<AccountLeasesRequest>,
    ) -> Result<Response<Stream<LeaseAccount>>, Status> {
        let user = User::of(&request)?;
        account::follow(self, &user, request.get_ref()).map(Response::new)
    }

    async fn start_run(&self, request: Request<StartRunRequest>) -> Result<Response<Run>, Status> {
        let user = User::of(&request)?;
        run::start(self, &user, request.into_inner()).await.map(Response::new)
    }

    async fn get_run(&self, request: Request<GetRunRequest>) -> Result<Response<Run>, Status> {
        let user = User::of(&request)?;
        run::get(self, &user, request.into_inner().id).await.map(Response::new)
    }

    async fn stop_run(&self, request: Request<StopRunRequest>) -> Result<Response<Run>, Status> {
        let user = User::of(&request)?;
        run::stop(self, &user, request.into_inner().id).await.map(Response::new)
    }

    async fn follow_run(
        &self,
        request: Request<FollowRunRequest>,
    ) -> Result<Response<Stream<RunEvent>>, Status> {
        let user = User::of(&request)?;
        run::follow(self, &user, request.into_inner()).await.map(Response::new)
    }

    async fn get_run_file(
        &self,
        request: Request<GetRunFileRequest>,
    ) -> Result<Response<Stream<FileChunk>>, Status> {
        let user = User::of(&request)?;
        run::file(self, &user, request.into_inner()).await.map(Response::new)
    }
}

impl Api {
    /// A lease in memory, or an old one from the store.
    async fn find_lease(&self, user: &User, id: LeaseId) -> Result<Lease, Status> {
        let now = self.0.clock.now();
        let seen = |w: &World, l: &hostler_core::lease::Lease| {
            user.may_touch(w, l).then(|| lease_view::lease(w, l, now))
        };
        let in_memory = self.0.published.read(|w| w.leases.get(id).map(|l| seen(w, l)));
        if let Some(found) = in_memory {
            return found.ok_or_else(|| no_lease(id));
        }
        let stored = self.0.history(move |h| h.lease(id)).await.map_err(|e| internal("a lease", &e))?;
        stored.and_then(|lease| self.0.published.read(|w| seen(w, &lease))).ok_or_else(|| no_lease(id))
    }

    async fn lease_now(&self, id: LeaseId) -> Result<Lease, Status> {
        self.find_lease(&User::Admin(String::new()), id).await
    }

    fn open_leases(&self, user: &User) -> Vec<Lease> {
        self.0.published.read(|w| {
            let mine = w.leases.values().filter(|l| !l.is_closed() && user.may_touch(w, l));
            lease_view::leases(w, mine, self.0.clock.now())
        })
    }

    async fn closed_leases(&self, user: &User) -> Result<Vec<Lease>, Status> {
        let tenant = match user {
            User::Admin(_) => None,
            User::Tenant(_) => Some(self.tenant(user).await?),
        };
        let stored =
            self.0.history(move |h| h.leases(tenant, LIST)).await.map_err(|e| internal("leases", &e))?;
        let now = self.0.clock.now();
        let closed = stored.iter().filter(|l| l.is_closed());
        Ok(self.0.published.read(|w| closed.map(|l| lease_view::lease(w, l, now)).collect()))
    }

    async fn follow_lease(self, id: LeaseId, outbox: Outbox<Lease>) -> Result<(), Gone> {
        let mut changes = self.0.published.watch_lease(id);
        let mut shown = None;
        loop {
            changes.mark_unchanged();
            let now = match self.lease_now(id).await {
                Ok(now) => now,
                Err(status) => {
                    outbox.fail(status).await;
                    return Ok(());
                }
            };
            if shown.as_ref() != Some(&now) {
                outbox.send(now.clone()).await?;
            }
            if now.state == i32::from(LeaseState::Closed) {
                return Ok(());
            }
            shown = Some(now);
            tokio::select! {
                changed = changes.changed() => if changed.is_err() { return Ok(()) },
                () = outbox.closed() => return Ok(()),
            }
        }
    }
}
