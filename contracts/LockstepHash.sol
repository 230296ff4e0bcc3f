// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.26;

/// @title Lockstep's hashes, as TypeScript computes them
/// @notice A tagged hash is `SHA-256(SHA-256(tag) ‖ SHA-256(tag) ‖ message)`, as in BIP-340. Trees have the shape of RFC 6962;
/// their root binds the number of leaves.
library LockstepHash {
    /// @dev SHA-256("lockstep/terms")
    bytes32 internal constant TERMS = 0xf7e7d849389c4a315e0d64ddaa37a2f19c2c37bef9fcec3020a00f0862f42d34;
    /// @dev SHA-256("lockstep/record")
    bytes32 internal constant RECORD = 0xb0dd66421f0bf72f487d5678c061269c6f0d0f8c1d2cb410989d0d6671e1b1a9;
    /// @dev SHA-256("lockstep/merkle-leaf")
    bytes32 internal constant MERKLE_LEAF = 0xa76996bc65d7175c8b6c85db934fc6e950fd7ed279ff54f3670468661e3c3111;
    /// @dev SHA-256("lockstep/merkle-node")
    bytes32 internal constant MERKLE_NODE = 0xfebac58a8d88804b3fa59272b382492e1694ec043571eb954bd68c4d3f9f4ea6;
    /// @dev SHA-256("lockstep/merkle-root")
    bytes32 internal constant MERKLE_ROOT = 0xe28df6a6dcb9ebf53de96055052f860835882155763d9bdaf7b21123ea55bd9e;

    /// @param tag SHA-256 of the tag's text.
    function tagged(bytes32 tag, bytes memory message) internal pure returns (bytes32) {
        return sha256(abi.encodePacked(tag, tag, message));
    }

    /// @dev RFC 9162, 2.1.3.2: climbs with the last node of each level at hand; where this node is that last one and stands
    /// left, it has no sibling and rises as it is. Accepts one path for each leaf, of exactly its length.
    function verify(bytes32 leaf, uint64 index, uint64 count, bytes32[] calldata path, bytes32 root)
        internal
        pure
        returns (bool)
    {
        if (index >= count) return false;
        bytes32 node = tagged(MERKLE_LEAF, abi.encodePacked(leaf));
        uint256 used = 0;
        uint64 position = index;
        for (uint64 end = count - 1; end > 0; end >>= 1) {
            bool standsRight = position & 1 == 1;
            if (standsRight || position < end) {
                if (used == path.length) return false;
                bytes32 sibling = path[used++];
                (bytes32 left, bytes32 right) = standsRight ? (sibling, node) : (node, sibling);
                node = tagged(MERKLE_NODE, abi.encodePacked(left, right));
            }
            position >>= 1;
        }
        return used == path.length && tagged(MERKLE_ROOT, abi.encodePacked(count, node)) == root;
    }
}
