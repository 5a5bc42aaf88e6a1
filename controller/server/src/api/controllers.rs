//! `ControllerService`: who leads and who stands by.

use super::caller::User;
use super::{Api, invitation};
use crate::tls::Caller;
use hostler_proto::controller::v1 as wire;
use hostler_proto::controller::v1::controller_service_server::ControllerService;
use tonic::{Request, Response, Status};

#[tonic::async_trait]
impl ControllerService for Api {
    async fn list_controllers(
        &self,
        request: Request<wire::ListControllersRequest>,
    ) -> Result<Response<wire::ListControllersResponse>, Status> {
        User::admin(&request)?;
        Ok(Response::new(self.0.office.list(self.0.epoch)))
    }

    async fn invite(
        &self,
        request: Request<wire::InviteRequest>,
    ) -> Result<Response<wire::InviteResponse>, Status> {
        let author = User::admin(&request)?;
        invitation::invite(self, author, request.into_inner()).await.map(Response::new)
    }

    async fn join(
        &self,
        request: Request<wire::JoinRequest>,
    ) -> Result<Response<wire::JoinResponse>, Status> {
        let caller = request.extensions().get::<Caller>().cloned();
        let address = caller.ok_or_else(|| Status::internal("no caller"))?.address.ip().to_canonical();
        invitation::join(self, address, request.into_inner()).await.map(Response::new)
    }
}
