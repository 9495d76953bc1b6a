//! SipHash-2-4 with 128 bits of output (Aumasson and Bernstein, 2012).

/// The fingerprint of some bytes under a secret key.
pub(super) fn fingerprint(key: &[u8; 16], bytes: &[u8]) -> u128 {
    let [low, high] = halves(u128::from_le_bytes(*key));
    let mut state = State {
        v0: low ^ 0x736F_6D65_7073_6575,
        // The last bits are what makes it the variant with 128 bits.
        v1: high ^ 0x646F_7261_6E64_6F6D ^ 0xEE,
        v2: low ^ 0x6C79_6765_6E65_7261,
        v3: high ^ 0x7465_6462_7974_6573,
    };
    let mut rest = bytes;
    while let Some((word, after)) = rest.split_first_chunk() {
        state.absorb(u64::from_le_bytes(*word));
        rest = after;
    }
    let mut last = [0; 8];
    for (place, byte) in last.iter_mut().zip(rest) {
        *place = *byte;
    }
    // The lowest byte of the length.
    last[7] = (bytes.len() & 0xFF) as u8;
    state.absorb(u64::from_le_bytes(last));

    state.v2 ^= 0xEE;
    let low = state.squeeze();
    state.v1 ^= 0xDD;
    let high = state.squeeze();
    u128::from(high) << 64 | u128::from(low)
}

fn halves(number: u128) -> [u64; 2] {
    [number as u64, (number >> 64) as u64]
}

struct State {
    v0: u64,
    v1: u64,
    v2: u64,
    v3: u64,
}

impl State {
    fn absorb(&mut self, word: u64) {
        self.v3 ^= word;
        self.round();
        self.round();
        self.v0 ^= word;
    }

    fn squeeze(&mut self) -> u64 {
        for _ in 0..4 {
            self.round();
        }
        self.v0 ^ self.v1 ^ self.v2 ^ self.v3
    }

    fn round(&mut self) {
        self.v0 = self.v0.wrapping_add(self.v1);
        self.v1 = self.v1.rotate_left(13) ^ self.v0;
        self.v0 = self.v0.rotate_left(32);
        self.v2 = self.v2.wrapping_add(self.v3);
        self.v3 = self.v3.rotate_left(16) ^ self.v2;
        self.v0 = self.v0.wrapping_add(self.v3);
        self.v3 = self.v3.rotate_left(21) ^ self.v0;
        self.v2 = self.v2.wrapping_add(self.v1);
        self.v1 = self.v1.rotate_left(17) ^ self.v2;
        self.v2 = self.v2.rotate_left(32);
    }
}

#[cfg(test)]
mod tests {
    use super::fingerprint;

    /// From the reference implementation's `vectors_sip128`: the key is 00, 01, 02 and so on, so
    /// are the bytes.
    #[test]
    fn vectors_of_the_authors() {
        let key = core::array::from_fn(|index| index as u8);
        let bytes: [u8; 64] = core::array::from_fn(|index| index as u8);
        let vectors = [
            (0, 0xA381_7F04_BA25_A8E6_6DF6_7214_C755_0293),
            (1, 0xDA87_C1D8_6B99_AF44_3476_5911_9B22_FC45),
        ];
        for (length, expected) in vectors {
            let fingerprint = fingerprint(&key, &bytes[..length]);
            assert_eq!(
                fingerprint,
                u128::from_be_bytes(u128::to_le_bytes(expected))
            );
        }
    }
}
