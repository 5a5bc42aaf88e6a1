//! Standard streams of the first process.

use std::fs::File;
use std::io;

/// Reads from and writes to the console from now on. The kernel opens it for the first process only if the ramdisk has
/// the device.
pub(super) fn take_over() -> io::Result<()> {
    let console = File::options().read(true).write(true).open("/dev/console")?;
    rustix::stdio::dup2_stdin(&console)?;
    rustix::stdio::dup2_stdout(&console)?;
    rustix::stdio::dup2_stderr(&console)?;
    Ok(())
}
