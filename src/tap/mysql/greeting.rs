//! What the two sides agree on at first: the server's greeting, and the client's answer to it.
//!
//! Encryption and compression are taken out of the greeting, since they would hide the statements. A client that only
//! prefers them (the default of `mysql`, `mariadb` and most drivers) goes on without; one that insists says so itself.
//! Source: MySQL source documentation, "Protocol::HandshakeV10", "Protocol::HandshakeResponse41"; MariaDB documentation,
//! "Connecting".

use mysql_common::constants::{CapabilityFlags, MariadbCapabilities};
use mysql_common::io::ParseBuf;
use mysql_common::packets::HandshakePacket;

use super::RelayError;

/// What hides statements.
const HIDING: CapabilityFlags = CapabilityFlags::CLIENT_SSL
    .union(CapabilityFlags::CLIENT_COMPRESS)
    .union(CapabilityFlags::CLIENT_ZSTD_COMPRESSION_ALGORITHM);

/// What the protocol's packets look like on a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Agreed {
    pub(super) capabilities: CapabilityFlags,
    mariadb: MariadbCapabilities,
}

impl Agreed {
    /// Nothing, as long as nothing was said.
    pub(super) const NOTHING: Self =
        Self { capabilities: CapabilityFlags::empty(), mariadb: MariadbCapabilities::empty() };

    /// Reads what the client chose of what was `offered`, from the first packet that it sends.
    pub(super) fn answered(offered: Self, payload: &[u8]) -> Result<Self, RelayError> {
        let Some(fixed) = payload.first_chunk::<32>() else { return Err(RelayError::NotMysql) };
        let flags = |at: usize| u32::from_le_bytes([fixed[at], fixed[at + 1], fixed[at + 2], fixed[at + 3]]);
        let wished = CapabilityFlags::from_bits_retain(flags(0));
        if !wished.contains(CapabilityFlags::CLIENT_PROTOCOL_41) {
            return Err(RelayError::NotMysql);
        }
        if wished.intersects(HIDING) {
            return Err(RelayError::Insists);
        }
        // To a client of MySQL's own these bytes mean nothing.
        let mariadb = if wished.contains(CapabilityFlags::CLIENT_LONG_PASSWORD) { 0 } else { flags(28) };
        Ok(Self {
            capabilities: wished.intersection(offered.capabilities),
            mariadb: MariadbCapabilities::from_bits_retain(mariadb).intersection(offered.mariadb),
        })
    }

    /// Whether metadata ends without a packet of its own.
    pub(super) fn no_eof(self) -> bool {
        self.capabilities.contains(CapabilityFlags::CLIENT_DEPRECATE_EOF)
    }

    /// Whether a result says if its columns are described.
    pub(super) fn optional_metadata(self) -> bool {
        self.capabilities.contains(CapabilityFlags::CLIENT_OPTIONAL_RESULTSET_METADATA)
            || self.mariadb.contains(MariadbCapabilities::MARIADB_CLIENT_CACHE_METADATA)
    }

    /// Whether a query's text comes after its attributes.
    pub(super) fn query_attributes(self) -> bool {
        self.capabilities.contains(CapabilityFlags::CLIENT_QUERY_ATTRIBUTES)
    }
}

/// What a server said first.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Greeting {
    pub(super) connection_id: u32,
    /// What it offers, without what would hide statements.
    pub(super) offered: Agreed,
    /// Whether it takes a proof of a password without encryption only once it has seen the password.
    pub(super) remembers_logins: bool,
}

/// Takes out of a greeting what would hide statements.
pub(super) fn curb(payload: &mut [u8]) -> Result<Greeting, RelayError> {
    // The length of the nonce, which is 21, follows 20 bytes after the version. The parser takes 8 from it as a signed number.
    let version = payload.iter().skip(1).position(|byte| *byte == 0).map_or(payload.len(), |length| 1 + length);
    if payload.get(version + 21).is_some_and(|length| *length > 127) {
        return Err(RelayError::NotMysql);
    }
    let greeting = ParseBuf(payload).parse::<HandshakePacket<'_>>(()).map_err(|_| RelayError::NotMysql)?;
    let capabilities = greeting.capabilities().difference(HIDING);
    let told = Greeting {
        connection_id: greeting.connection_id(),
        offered: Agreed { capabilities, mariadb: greeting.mariadb_ext_capabilities() },
        remembers_logins: greeting.auth_plugin_name_ref() == Some(b"caching_sha2_password"),
    };
    // After the protocol's and the server's version, the connection's id (4 bytes), 8 of the nonce, and one empty byte.
    let low = 1 + greeting.server_version_ref().len() + 1 + 4 + 8 + 1;
    // Between them the character set (one byte) and the status (2 bytes).
    let high = low + 5;
    let keep = (!HIDING.bits()).to_le_bytes();
    for (at, mask) in [low, low + 1, high, high + 1].into_iter().zip(keep) {
        payload[at] &= mask;
    }
    Ok(told)
}

#[cfg(test)]
mod tests {
    use mysql_common::constants::StatusFlags;
    use mysql_common::proto::MySerialize;

    use super::*;

    fn greeting(capabilities: CapabilityFlags) -> Vec<u8> {
        let mut payload = Vec::new();
        HandshakePacket::new(
            10,
            &b"9.7.4"[..],
            77,
            *b"12345678",
            Some(&b"123456789012\0"[..]),
            capabilities,
            255,
            StatusFlags::SERVER_STATUS_AUTOCOMMIT,
            Some(&b"caching_sha2_password"[..]),
        )
        .serialize(&mut payload);
        payload
    }

    fn answer(capabilities: CapabilityFlags, mariadb: u32) -> Vec<u8> {
        let mut payload = vec![0; 32];
        payload[..4].copy_from_slice(&capabilities.bits().to_le_bytes());
        payload[28..].copy_from_slice(&mariadb.to_le_bytes());
        payload
    }

    #[test]
    fn encryption_and_compression_are_taken_out_and_nothing_else() {
        let mut payload = greeting(CapabilityFlags::all());
        let told = curb(&mut payload).expect("a greeting");
        assert!(told.connection_id == 77 && told.remembers_logins);
        assert_eq!(told.offered.capabilities, CapabilityFlags::all().difference(HIDING));
        assert_eq!(payload, greeting(CapabilityFlags::all().difference(HIDING)));
    }

    #[test]
    fn what_the_client_chooses_counts_only_where_it_was_offered() {
        let base = CapabilityFlags::CLIENT_PROTOCOL_41;
        let offered = Agreed {
            capabilities: base | CapabilityFlags::CLIENT_DEPRECATE_EOF,
            mariadb: MariadbCapabilities::MARIADB_CLIENT_CACHE_METADATA,
        };
        let wished = base | CapabilityFlags::CLIENT_DEPRECATE_EOF | CapabilityFlags::CLIENT_QUERY_ATTRIBUTES;
        let agreed = Agreed::answered(offered, &answer(wished, 0x1f)).expect("an answer");
        assert!(agreed.no_eof() && agreed.optional_metadata() && !agreed.query_attributes());
        let mysqls_own = Agreed::answered(offered, &answer(wished | CapabilityFlags::CLIENT_LONG_PASSWORD, 0x1f));
        assert!(!mysqls_own.expect("an answer").optional_metadata());
    }

    #[test]
    fn who_insists_on_encryption_or_does_not_speak_the_protocol_is_refused() {
        let base = CapabilityFlags::CLIENT_PROTOCOL_41;
        let insists = Agreed::answered(Agreed::NOTHING, &answer(base | CapabilityFlags::CLIENT_SSL, 0));
        assert!(matches!(insists, Err(RelayError::Insists)));
        assert!(matches!(Agreed::answered(Agreed::NOTHING, b"GET / HTTP/1.1"), Err(RelayError::NotMysql)));
        assert!(matches!(curb(&mut b"\x0a9.7".to_vec()), Err(RelayError::NotMysql)));
        let mut long_nonce = greeting(CapabilityFlags::all());
        assert_eq!(std::mem::replace(&mut long_nonce[1 + 6 + 20], 0x80), 21);
        assert!(matches!(curb(&mut long_nonce), Err(RelayError::NotMysql)));
    }
}
