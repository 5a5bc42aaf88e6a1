//! `ControllerService`: who leads and who stands by.

use super::Api;
use super::caller::User;
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
}
