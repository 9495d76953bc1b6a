//! A server that does not know the password.

use mqtt5_tokio::ReasonCode;
use mqtt5_tokio::codec::{
    Auth, Binary, ConnAck, Packet, PacketType, Properties, Property, ProtocolVersion, Text,
};
use tokio::net::TcpListener;

use super::METHOD;
use crate::lab::Result;
use crate::lab::observers::Socket;

/// A server that does not know the password: a socket and the codec. It accepts every client.
#[derive(Debug)]
pub struct Impostor {
    listener: TcpListener,
    /// Whether it goes through the exchange, to its false signature.
    signs: bool,
}

impl Impostor {
    /// Opens a port. With `signs` it goes through the exchange, and signs without the key; otherwise it asks for no proof.
    ///
    /// # Errors
    ///
    /// The system has no port.
    pub async fn open(signs: bool) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        Ok(Impostor { listener, signs })
    }

    /// The address for clients.
    ///
    /// # Errors
    ///
    /// The system does not say it.
    pub fn address(&self) -> Result<String> {
        Ok(format!("mqtt://{}", self.listener.local_addr()?))
    }

    /// Serves one connection. Returns what the client says after it was accepted.
    ///
    /// # Errors
    ///
    /// The client does not authenticate by SCRAM, or the connection is lost.
    pub async fn serve(&self) -> Result<Vec<PacketType>> {
        let (stream, _) = self.listener.accept().await?;
        let mut socket = Socket::new(stream, ProtocolVersion::V5_0)?;
        let first = |packet: &Packet<'_>| match packet {
            Packet::Connect(connect) => {
                let data = connect.properties.authentication_data()?;
                String::from_utf8(data.as_bytes().to_vec()).ok()
            }
            _ => None,
        };
        let first = socket.next(first).await?.flatten();
        let method = Property::AuthenticationMethod(Text::new(METHOD)?);
        let mut last = vec![method];
        if self.signs {
            let nonce = first.as_ref().and_then(|it| Some(it.split_once("r=")?.1));
            let nonce = nonce.ok_or("The client sent no nonce.")?;
            let data = format!("r={nonce}impostor,s=c2FsdA==,i=4096");
            let properties = [
                method,
                Property::AuthenticationData(Binary::new(data.as_bytes())?),
            ];
            let auth = Auth {
                reason_code: ReasonCode::ContinueAuthentication,
                properties: Properties::new(&properties)?,
            };
            socket.write(&[auth.into()]).await?;
            socket.next(|_| ()).await?;
            // As long as a signature.
            let signature = b"v=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
            last.push(Property::AuthenticationData(Binary::new(signature)?));
        }
        let connack = ConnAck {
            properties: Properties::new(&last)?,
            ..ConnAck::new(ReasonCode::Success)
        };
        socket.write(&[connack.into()]).await?;
        let mut said = Vec::new();
        while let Some(packet) = socket.next(|packet| packet.packet_type()).await? {
            said.push(packet);
        }
        Ok(said)
    }
}
