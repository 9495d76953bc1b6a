//! Verdicts about `flowsdk`, the strictest of the peers.

use mqtt5_codec::Packet;

use super::{
    Right, Verdict, accepts, is_auth_without_properties, is_disconnect_8c, writes_auth_out,
};

const PEER: &str = "flowsdk";

pub(super) static VERDICTS: &[Verdict] = &[
    Verdict {
        peer: PEER,
        when: accepts!(AuthenticationMethodMissing),
        right: Right::Either,
        reference: "3.15.2.1, 3.15.2.2.2",
        because: "accepts an AUTH that writes out that it has no properties; one section grants that, another forbids it, and we accept only that they are left out",
        example: "F0 02 00 00",
    },
    Verdict {
        peer: PEER,
        when: writes_auth_out,
        right: Right::Either,
        reference: "3.15.2.1, 3.15.2.2.2",
        because: "writes out that an AUTH has no properties; one section grants that, another forbids it",
        example: "F0 00",
    },
    Verdict {
        peer: PEER,
        when: |case| case.rejected(is_auth_without_properties),
        right: Right::Either,
        reference: "3.15.2.1, 3.15.2.2.2",
        because: "refuses an AUTH without properties; one section grants that, another forbids it",
        example: "F0 01 18",
    },
    Verdict {
        peer: PEER,
        when: |case| case.rejected(is_disconnect_8c),
        right: Right::Either,
        reference: "2.4, 3.14.2.1",
        because: "refuses DISCONNECT 0x8C, which Table 2-6 has and Table 3-10 has not",
        example: "E0 01 8C",
    },
    Verdict {
        peer: PEER,
        when: accepts!(ProtocolVersion),
        right: Right::Ours,
        reference: "MQTT-3.1.2-2",
        because: "does not look at the Protocol Version",
        example: "10 0D 00 04 4D 51 54 54 26 02 00 FF 00 00 00",
    },
    Verdict {
        peer: PEER,
        when: |case| case.rejected(has_empty_credential),
        right: Right::Ours,
        reference: "1.5.4, 1.5.6, 3.1.3.4 to 3.1.3.6",
        because: "refuses an empty User Name, Password or Will Payload",
        example: "10 0F 00 04 4D 51 54 54 05 40 FF FE 00 00 00 00 00",
    },
    Verdict {
        peer: PEER,
        when: |case| case.rejected(assigns_nothing),
        right: Right::Either,
        reference: "3.2.2.3.7",
        because: "refuses an empty Assigned Client Identifier, which the standard does not mention",
        example: "20 06 00 00 03 12 00 00",
    },
];

fn has_empty_credential(packet: &Packet<'_>) -> bool {
    let Packet::Connect(packet) = packet else {
        return false;
    };
    packet.user_name.is_some_and(|name| name.is_empty())
        || packet.password.is_some_and(|password| password.is_empty())
        || packet.will.is_some_and(|will| will.payload.is_empty())
}

fn assigns_nothing(packet: &Packet<'_>) -> bool {
    let Packet::ConnAck(packet) = packet else {
        return false;
    };
    let assigned = packet.properties.assigned_client_identifier();
    assigned.is_some_and(|identifier| identifier.is_empty())
}
