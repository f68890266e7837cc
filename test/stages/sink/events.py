"""Reads an event file of TensorBoard with Google's protobuf, and prints what it has as JSON."""
import json, struct, sys
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = (crc >> 1) ^ (0x82F63B78 if crc & 1 else 0)
    crc ^= 0xFFFFFFFF
    return (((crc >> 15) | (crc << 17)) + 0xA282EAD8) & 0xFFFFFFFF


T = descriptor_pb2.FieldDescriptorProto
file = descriptor_pb2.FileDescriptorProto(name='event.proto', package='t', syntax='proto3')


def define(name, *fields):
    message = file.message_type.add(name=name)
    for number, field, kind, repeated in fields:
        added = message.field.add(name=field, number=number, label=3 if repeated else 1)
        if isinstance(kind, str):
            added.type, added.type_name = T.TYPE_MESSAGE, '.t.' + kind
        else:
            added.type = kind


define('Histo', *[(i + 1, n, T.TYPE_DOUBLE, False) for i, n in enumerate(['min', 'max', 'num', 'sum', 'sum_squares'])],
       (6, 'bucket_limit', T.TYPE_DOUBLE, True), (7, 'bucket', T.TYPE_DOUBLE, True))
define('Image', (1, 'height', T.TYPE_INT32, False), (2, 'width', T.TYPE_INT32, False),
       (3, 'colorspace', T.TYPE_INT32, False), (4, 'data', T.TYPE_BYTES, False))
define('Value', (1, 'tag', T.TYPE_STRING, False), (2, 'simple_value', T.TYPE_FLOAT, False), (4, 'image', 'Image', False),
       (5, 'histo', 'Histo', False))
define('Summary', (1, 'value', 'Value', True))
define('Event', (1, 'wall_time', T.TYPE_DOUBLE, False), (2, 'step', T.TYPE_INT64, False),
       (3, 'file_version', T.TYPE_STRING, False), (5, 'summary', 'Summary', False))
pool = descriptor_pool.DescriptorPool()
pool.Add(file)
descriptor = pool.FindMessageTypeByName('t.Event')
get = getattr(message_factory, 'GetMessageClass', None)
Event = get(descriptor) if get else message_factory.MessageFactory(pool).GetPrototype(descriptor)

data, at, events = open(sys.argv[1], 'rb').read(), 0, []
while at < len(data):
    (length,) = struct.unpack('<Q', data[at:at + 8])
    assert struct.unpack('<I', data[at + 8:at + 12])[0] == crc32c(data[at:at + 8]), 'checksum of the length'
    content = data[at + 12:at + 12 + length]
    assert struct.unpack('<I', data[at + 12 + length:at + 16 + length])[0] == crc32c(content), 'checksum of the content'
    at += 16 + length
    event = Event.FromString(content)
    values = []
    for value in event.summary.value:
        if value.HasField('histo'):
            h = value.histo
            values.append([value.tag, [h.min, h.max, h.num, sum(h.bucket), len(h.bucket_limit)]])
        elif value.HasField('image'):
            i = value.image
            values.append([value.tag, [i.height, i.width, i.colorspace, i.data[:4].hex()]])
        else:
            values.append([value.tag, repr(value.simple_value)])
    events.append([event.wall_time, event.step, event.file_version, values])
print(json.dumps(events))
