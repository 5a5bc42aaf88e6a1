//! What a session is used for.

use crate::command::{
    AcknowledgeBootInfo, BootFlags, ChassisControl, ChassisStatus, ColdReset, DeviceId, GetBootFlags,
    GetChassisStatus, GetDeviceId, GetSystemGuid, SetBootFlags, SystemGuid,
};
use crate::{Error, Session};
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// How often a chassis is asked whether it has followed.
const POLL: Duration = Duration::from_millis(500);

/// The errors of all of these are those of [`Session::execute`].
impl Session {
    /// Make and version of the controller.
    ///
    /// # Errors
    /// See [`Session::execute`].
    pub async fn device_id(&mut self) -> Result<DeviceId, Error> {
        self.execute(GetDeviceId).await
    }

    /// Which system it belongs to, as far as it knows.
    ///
    /// # Errors
    /// See [`Session::execute`]; not every controller knows the command.
    pub async fn system_guid(&mut self) -> Result<SystemGuid, Error> {
        self.execute(GetSystemGuid).await
    }

    /// Whether the chassis has power.
    ///
    /// # Errors
    /// See [`Session::execute`].
    pub async fn chassis_status(&mut self) -> Result<ChassisStatus, Error> {
        self.execute(GetChassisStatus).await
    }

    /// Switches the chassis. "Done" means that the controller said so.
    ///
    /// # Errors
    /// See [`Session::execute`]. [`ChassisControl::PowerCycle`] and [`ChassisControl::HardReset`] are sent once: after
    /// [`Error::Unanswered`] it is unknown whether they happened.
    pub async fn chassis_control(&mut self, control: ChassisControl) -> Result<(), Error> {
        self.execute(control).await
    }

    /// Orders a boot device. Read it back with [`Session::boot_flags`]: controllers that drop it silently exist.
    ///
    /// # Errors
    /// See [`Session::execute`].
    pub async fn set_boot_flags(&mut self, flags: BootFlags) -> Result<(), Error> {
        match self.execute(AcknowledgeBootInfo).await {
            // Optional: controllers without it say so, each in its own way.
            Ok(()) | Err(Error::Refused { .. }) => self.execute(SetBootFlags(flags)).await,
            Err(error) => Err(error),
        }
    }

    /// The boot device that is ordered, if any.
    ///
    /// # Errors
    /// See [`Session::execute`].
    pub async fn boot_flags(&mut self) -> Result<Option<BootFlags>, Error> {
        self.execute(GetBootFlags).await
    }

    /// Starts the controller anew. The session ends with it.
    ///
    /// # Errors
    /// See [`Session::execute`]. [`Error::Unanswered`] is usual: controllers exist that reset before they answer.
    pub async fn cold_reset(&mut self) -> Result<(), Error> {
        self.execute(ColdReset).await
    }

    /// Makes the chassis have power or not, and sees that it does: unlike [`Session::chassis_control`], an answer that
    /// was lost or a controller that says "done" and does nothing is noticed. Safe to repeat.
    ///
    /// # Errors
    /// [`Error::Ignored`] if the chassis is not as wanted within `settle`; else see [`Session::execute`].
    pub async fn ensure_power(&mut self, on: bool, settle: Duration) -> Result<(), Error> {
        if self.chassis_status().await?.power_on == on {
            return Ok(());
        }
        let control = if on { ChassisControl::PowerOn } else { ChassisControl::PowerOff };
        self.chassis_control(control).await?;
        let deadline = Instant::now() + settle;
        while self.chassis_status().await?.power_on != on {
            if Instant::now() >= deadline {
                let (command, seen) = if on {
                    ("Chassis Control (power on)", "the chassis is still off")
                } else {
                    ("Chassis Control (power off)", "the chassis is still on")
                };
                return Err(Error::Ignored { bmc: self.bmc(), command, seen });
            }
            sleep(POLL).await;
        }
        Ok(())
    }

    /// Off, seen to be off, on, seen to be on. However often packets are lost on the way, the chassis is started once.
    ///
    /// # Errors
    /// See [`Session::ensure_power`], of which this is two.
    pub async fn restart(&mut self, settle: Duration) -> Result<(), Error> {
        self.ensure_power(false, settle).await?;
        self.ensure_power(true, settle).await
    }
}
