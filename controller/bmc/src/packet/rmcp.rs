//! The four bytes in front of everything (section 13.1.3).

use super::Malformed;
use super::reader::Reader;

/// Version 1.0 of RMCP, no acknowledgement wanted, message class IPMI.
pub const RMCP_HEADER: [u8; 4] = [0x06, 0x00, 0xff, 0x07];

/// What follows the header.
pub(super) fn strip(datagram: &[u8]) -> Result<&[u8], Malformed> {
    let mut reader = Reader::new("RMCP header", datagram);
    let [version, _reserved, _sequence, class] = reader.array()?;
    if version != RMCP_HEADER[0] {
        return Err(reader.malformed("it is not of RMCP version 1.0"));
    }
    if class != RMCP_HEADER[3] {
        return Err(reader.malformed("its message class is not IPMI"));
    }
    Ok(reader.rest())
}
