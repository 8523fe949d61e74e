#!/usr/bin/python3
"""The second implementation of the protocol: Google's protobuf for Python, on descriptors that protoc
makes of proto/*.proto. Driven by test_interop.c, from the top of the tree:

  wire_peer.py encode DIR   writes DIR/cases, a line a case: NAME MESSAGE HEX
  wire_peer.py compare DIR  reads DIR/answers, the same lines with the bytes that C encoded after it had
                            decoded the case, and says which are not equal

Messages named "full" are filled by a rule that test_interop.c follows too.
"""

import glob
import subprocess
import sys

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.descriptor import FieldDescriptor as F
from google.protobuf.internal import encoder


def load_pool():
    made = subprocess.run(
        ["protoc", "-Iproto", "--include_imports", "-o/dev/stdout"] + sorted(glob.glob("proto/*.proto")),
        check=True, stdout=subprocess.PIPE)
    files = descriptor_pb2.FileDescriptorSet.FromString(made.stdout)
    pool = descriptor_pool.DescriptorPool()
    for file in files.file:
        pool.Add(file)
    names = ["%s.%s" % (f.package, m.name) for f in files.file for m in f.message_type]
    return pool, sorted(names)


POOL, NAMES = load_pool()
FACTORY = message_factory.MessageFactory(POOL)


def new(name):
    return FACTORY.GetPrototype(POOL.FindMessageTypeByName(name))()


def is_map(field):
    return field.message_type is not None and field.message_type.GetOptions().map_entry


def value(field, i):
    """Element i of a field that holds no message."""
    n = field.number
    return {
        F.TYPE_STRING: lambda: "%s-%d \u00e9\u20ac" % (field.name, i),
        F.TYPE_BYTES: lambda: field.name.encode() + bytes([0, 255, i]),
        F.TYPE_BOOL: lambda: True,
        F.TYPE_UINT32: lambda: 2**32 - 1 - n - i,
        F.TYPE_UINT64: lambda: 2**64 - 1 - n - i,
        F.TYPE_INT32: lambda: -n - i,
        F.TYPE_INT64: lambda: -(2**63) + n + i,
        F.TYPE_ENUM: lambda: field.enum_type.values[-1].number,
    }[field.type]()


def fill(message):
    """Every field: two elements where it repeats, two keys in a map."""
    for field in message.DESCRIPTOR.fields:
        target = getattr(message, field.name)
        if is_map(field):
            for i in range(2):
                inner = field.message_type.fields_by_name["value"]
                if inner.message_type:
                    fill(target["key-%d" % i])
                else:
                    target["key-%d" % i] = value(inner, i)
        elif field.label == F.LABEL_REPEATED:
            for i in range(2):
                if field.message_type:
                    fill(target.add())
                else:
                    target.append(value(field, i))
        elif field.message_type:
            target.SetInParent()
            fill(target)
        else:
            setattr(message, field.name, value(field, 0))


def serialize(message):
    return message.SerializeToString(deterministic=True)


def full(name):
    message = new(name)
    fill(message)
    return serialize(message)


def varint(number):
    return encoder._VarintBytes(number)


def unpacked(name):
    """The full message with each repeated number sent by itself."""
    out = b""
    for field in new(name).DESCRIPTOR.fields:
        if field.label == F.LABEL_REPEATED and field.type in (F.TYPE_UINT32, F.TYPE_UINT64):
            for i in range(2):
                out += varint(field.number << 3) + varint(value(field, i))
    return out


UNKNOWN = (varint(4000 << 3) + varint(2**64 - 1) + varint(4001 << 3 | 1) + b"12345678" +
           varint(4002 << 3 | 2) + b"\x03\x00\xff\x08" + varint(4003 << 3 | 5) + b"1234")


def special_cases():
    optional = new("grpc.MemAgentMemcgConfig")
    yield "absent", "grpc.MemAgentMemcgConfig", b""
    for field in optional.DESCRIPTOR.fields:
        setattr(optional, field.name, 0)
        yield "zero-present", "grpc.MemAgentMemcgConfig", serialize(optional)
    rule = new("grpc.LinuxSyscall")
    yield "errno-absent", "grpc.LinuxSyscall", serialize(rule)
    rule.errnoret = 0
    yield "errno-zero", "grpc.LinuxSyscall", serialize(rule)
    empty = new("grpc.CreateContainerRequest")
    empty.OCI.Linux.Seccomp.SetInParent()
    yield "empty-sub-messages", "grpc.CreateContainerRequest", serialize(empty)
    first, second = new("grpc.CreateContainerRequest"), new("grpc.CreateContainerRequest")
    first.OCI.Process.Args.extend(["a", "b"])
    first.OCI.Process.Cwd = "/first"
    first.OCI.Hostname = "kept"
    first.OCI.Annotations["k"] = "old"
    second.OCI.Process.Args.append("c")
    second.OCI.Process.Cwd = "/second"
    second.OCI.Annotations["k"] = "new"
    yield "merged", "grpc.CreateContainerRequest", serialize(first) + serialize(second)
    neighbour = new("types.ARPNeighbor")
    for state in (-1, -(2**31), 2**31 - 1):
        neighbour.state = state
        yield "int32", "types.ARPNeighbor", serialize(neighbour)


def cases():
    for name in NAMES:
        yield "full", name, full(name)
        yield "twice", name, full(name) * 2
        yield "unknown", name, UNKNOWN + full(name) + UNKNOWN
        if unpacked(name):
            yield "unpacked", name, unpacked(name)
    yield from special_cases()


def parsed(name, data):
    message = new(name)
    message.ParseFromString(data)
    message.DiscardUnknownFields()
    return message


def encode(folder):
    with open(folder + "/cases", "w") as out:
        for case, name, data in cases():
            out.write("%s %s %s\n" % (case, name, data.hex()))


def compare(folder):
    wrong = 0
    with open(folder + "/answers") as answers:
        lines = [line.rstrip("\n").split(" ") for line in answers]
    wanted = list(cases())
    if len(lines) != len(wanted):
        sys.exit("%d answers to %d cases" % (len(lines), len(wanted)))
    for (case, name, data), answer in zip(wanted, lines):
        if answer[:2] != [case, name]:
            sys.exit("answer to %s %s where %s %s belongs" % (answer[0], answer[1], case, name))
        if parsed(name, data) != parsed(name, bytes.fromhex(answer[2])):
            print("%s %s: C answers another message" % (case, name), file=sys.stderr)
            wrong += 1
    sys.exit(wrong != 0)


if __name__ == "__main__":
    {"encode": encode, "compare": compare}[sys.argv[1]](sys.argv[2])
