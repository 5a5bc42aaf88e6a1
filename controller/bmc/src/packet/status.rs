//! Why a handshake does not go on.

/// RMCP+ and RAKP message status codes (section 13.24, table 13-15).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RakpStatus {
    /// 01h: no free session slot.
    InsufficientResources,
    /// 02h: the session id is not one that was given out.
    InvalidSessionId,
    /// 04h: the authentication algorithm is not offered.
    InvalidAuthentication,
    /// 05h: the integrity algorithm is not offered.
    InvalidIntegrity,
    /// 08h: the session was given out, but is no longer.
    InactiveSessionId,
    /// 09h: there is no such privilege level.
    InvalidRole,
    /// 0Ah: this user does not get that privilege level.
    UnauthorizedRole,
    /// 0Bh: no free session slot at that privilege level.
    InsufficientResourcesAtRole,
    /// 0Ch: the user name is too long.
    InvalidNameLength,
    /// 0Dh: there is no such user.
    UnauthorizedName,
    /// 0Fh: the message authentication code is wrong.
    InvalidIntegrityCheck,
    /// 10h: the confidentiality algorithm is not offered.
    InvalidConfidentiality,
    /// 11h: these algorithms are not offered together.
    NoCipherSuiteMatch,
    /// 12h: a parameter is illegal.
    IllegalParameter,
    /// Any other.
    Other(u8),
}

impl RakpStatus {
    /// `None` is success.
    #[must_use]
    pub const fn from_code(code: u8) -> Option<Self> {
        Some(match code {
            0x00 => return None,
            0x01 => Self::InsufficientResources,
            0x02 => Self::InvalidSessionId,
            0x04 => Self::InvalidAuthentication,
            0x05 => Self::InvalidIntegrity,
            0x08 => Self::InactiveSessionId,
            0x09 => Self::InvalidRole,
            0x0a => Self::UnauthorizedRole,
            0x0b => Self::InsufficientResourcesAtRole,
            0x0c => Self::InvalidNameLength,
            0x0d => Self::UnauthorizedName,
            0x0f => Self::InvalidIntegrityCheck,
            0x10 => Self::InvalidConfidentiality,
            0x11 => Self::NoCipherSuiteMatch,
            0x12 => Self::IllegalParameter,
            other => Self::Other(other),
        })
    }

    /// As on the wire; never zero unless made so by hand.
    #[must_use]
    pub const fn code(self) -> u8 {
        match self {
            Self::InsufficientResources => 0x01,
            Self::InvalidSessionId => 0x02,
            Self::InvalidAuthentication => 0x04,
            Self::InvalidIntegrity => 0x05,
            Self::InactiveSessionId => 0x08,
            Self::InvalidRole => 0x09,
            Self::UnauthorizedRole => 0x0a,
            Self::InsufficientResourcesAtRole => 0x0b,
            Self::InvalidNameLength => 0x0c,
            Self::UnauthorizedName => 0x0d,
            Self::InvalidIntegrityCheck => 0x0f,
            Self::InvalidConfidentiality => 0x10,
            Self::NoCipherSuiteMatch => 0x11,
            Self::IllegalParameter => 0x12,
            Self::Other(code) => code,
        }
    }
}

impl std::fmt::Display for RakpStatus {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let text = match self {
            Self::InsufficientResources => "no free session",
            Self::InvalidSessionId => "unknown session id",
            Self::InvalidAuthentication => "authentication algorithm not offered",
            Self::InvalidIntegrity => "integrity algorithm not offered",
            Self::InactiveSessionId => "session no longer active",
            Self::InvalidRole => "no such privilege level",
            Self::UnauthorizedRole => "privilege level not allowed for this user",
            Self::InsufficientResourcesAtRole => "no free session at this privilege level",
            Self::InvalidNameLength => "user name too long",
            Self::UnauthorizedName => "no such user",
            Self::InvalidIntegrityCheck => "wrong message authentication code",
            Self::InvalidConfidentiality => "confidentiality algorithm not offered",
            Self::NoCipherSuiteMatch => "algorithms not offered together",
            Self::IllegalParameter => "illegal parameter",
            Self::Other(_) => "unassigned status",
        };
        write!(f, "{text} (status {:#04x})", self.code())
    }
}

#[cfg(test)]
mod tests {
    use super::RakpStatus;

    #[test]
    fn every_code_survives_the_round_trip() {
        for code in 1..=u8::MAX {
            assert_eq!(RakpStatus::from_code(code).map(RakpStatus::code), Some(code));
        }
        assert_eq!(RakpStatus::from_code(0), None);
    }
}
