#!/usr/bin/env python3
"""Checks what each room may use: by its includes, and by what its object files import.

usage: rooms_test.py SOURCE_ROOT LIB_DIR_OR_FILE... -- COMPILER...

The arguments after SOURCE_ROOT are static libraries, each named after its room (libcore.a), and
programs. COMPILER compiles the planted samples that show that this test finds what it looks for.
Speaks TAP: one line for each rule, and for each planted offence.
"""

import os
import re
import subprocess
import sys
import tempfile

ROOMS = ('core', 'storage', 'net', 'server', 'sim')

# What of ours each room may include, by the beginning of the path. `sim` speaks through net's codec
# and must not learn of gRPC; nothing but the programs' tests may know `sim`.
MAY_USE = {
    'core': ('core/',),
    'storage': ('storage/', 'core/'),
    'net': ('net/', 'core/'),
    'sim': ('sim/', 'core/', 'storage/', 'net/codec'),
    'server': ('server/', 'core/', 'storage/', 'net/'),
}

# All that core may include from elsewhere. A header that is neither pure nor deterministic stays
# out; a pure one that is missing here can be added.
CORE_MAY_INCLUDE = {
    'algorithm', 'array', 'bit', 'bitset', 'cassert', 'charconv', 'cinttypes', 'climits', 'compare',
    'concepts', 'cstddef', 'cstdint', 'cstdlib', 'cstring', 'deque', 'exception', 'functional',
    'initializer_list', 'iterator', 'limits', 'list', 'map', 'memory', 'new', 'numeric', 'optional',
    'queue', 'ranges', 'set', 'span', 'stdexcept', 'string', 'string_view', 'system_error', 'tuple',
    'type_traits', 'typeinfo', 'utility', 'variant', 'vector',
    'absl/algorithm/container.h', 'absl/container/btree_map.h', 'absl/container/btree_set.h',
    'absl/container/fixed_array.h', 'absl/container/inlined_vector.h', 'absl/strings/escaping.h',
    'absl/strings/str_cat.h', 'absl/strings/str_format.h', 'absl/strings/str_join.h',
    'absl/strings/string_view.h', 'absl/types/span.h',
    'google/protobuf/arena.h', 'google/protobuf/io/coded_stream.h',
    'google/protobuf/io/zero_copy_stream_impl_lite.h', 'google/protobuf/message_lite.h',
}

# What would let real time, threads, chance or a hash's order into a simulated run.
NOT_DETERMINISTIC = re.compile(
    r'^(chrono|ctime|time\.h|sys/time\.h|random|thread|mutex|shared_mutex|condition_variable|future|'
    r'atomic|semaphore|latch|barrier|stop_token|pthread\.h|unistd\.h|unordered_map|unordered_set|'
    r'absl/(random|hash|time|synchronization)/.*|absl/container/(flat|node)_hash_.*)$')

GRPC = re.compile(r'^(grpc|grpcpp|grpc\+\+)/')

# (beginning of the file's path, header): why this is no offence.
INCLUDE_EXCEPTIONS = {
    ('sim/oracles/linearizability', 'absl/container/flat_hash_map.h'):
        'the checker looks up in them and never iterates',
    ('sim/disk/disk.h', 'thread'): 'asserts that one thread owns a disk; starts none',
    # Around the simulation, not in it: how long it took, how long to go on, with how many processes.
    ('sim/run.cc', 'chrono'): 'measures real time for people',
    ('sim/run.cc', 'ctime'): 'measures real time for people',
    ('sim/stopwatch.h', 'chrono'): 'searches for a given real time',
    ('sim/worker_pool.cc', 'unistd.h'): 'forks a process for each job',
    ('sim/hunt.cc', 'unistd.h'): 'asks whether people see the progress',
    ('sim/explore/explore_command.cc', 'unistd.h'): 'asks whether a person watches the progress',
    ('sim/main.cc', 'thread'): 'asks how many processors there are; starts none',
}

# What core's object files may import from C: memory, exceptions, and what compilers add.
CORE_MAY_IMPORT_FROM_C = re.compile(
    r'^(mem(cpy|move|cmp|set|chr)|bcmp|str(len|cmp|ncmp|chr)|abort|'
    r'__assert_fail|'  # Abseil's and protobuf's own assertions
    r'__cxa_\w+|__dynamic_cast|_Unwind_\w+|__gxx_personality_v0|__stack_chk_fail|__dso_handle|'
    r'_GLOBAL_OFFSET_TABLE_|__tls_get_addr|__(u?div|u?mod|mul)[dt]i[34]|__popcountdi2|'
    r'__libc_single_threaded|'  # std::shared_ptr asks it whether to count atomically
    r'__(asan|ubsan|tsan|msan|lsan|sanitizer|sancov|gcov|llvm)_\w+)$')

# C++ that no room of the simulation must import: time, threads, chance, a hash's order.
IMPURE_CPP = re.compile(
    r'std::(chrono::|thread\b|jthread|this_thread|(recursive_|shared_|timed_)*mutex|'
    r'condition_variable|__condvar|promise|__future_base|random_device|mersenne|'
    r'_Hash_bytes|_Fnv_hash|__detail::_Prime_rehash_policy|get_time|put_time)|'
    r'absl::(\w+::)*(Mutex|CondVar|Now|SleepFor|Time\b|GetCurrentTimeNanos|BitGen|random_internal|'
    r'SpinLock|container_internal::\w*(Seed|raw_hash|GenerateNewSeed)|hash_internal)|'
    r'grpc::|prometheus::|spdlog::')

# C++ that core must not import either: files and streams. (std::ios_base::Init is harmless: headers
# of Abseil and protobuf include <iostream>, which makes every user initialise the standard streams.)
CORE_IMPURE_CPP = re.compile(
    r'std::(basic_(if|of|f)stream|basic_filebuf|filesystem::|(w?cin|w?cout|w?cerr|w?clog)$)')

# C that the other rooms of the simulation must not import either.
IMPURE_C = re.compile(
    r'^(clock_gettime|clock|gettimeofday|time|timespec_get|nanosleep|clock_nanosleep|usleep|sleep|'
    r'pthread_create|pthread_mutex_\w+|pthread_cond_\w+|getrandom|getentropy|rand|srand|random|'
    r'arc4random\w*|fork|socket|connect|poll|select|epoll_\w+)$')

# (room, object file as a pattern, symbol as a pattern): why this is no offence.
IMPORT_EXCEPTIONS = [
    # The checker looks up in hash tables and never iterates over them.
    ('sim', r'^oracles_linearizability', r'hash_internal|container_internal|_Hash_bytes'),
    # Real time for people, as for the include above.
    ('sim', r'^run\.cc', r'^std::chrono::\w+::steady_clock::now|^clock_gettime$'),
]


def source_files(root):
    for room in ROOMS:
        for folder, folders, names in os.walk(os.path.join(root, room)):
            folders.sort()
            for name in sorted(names):
                if name.endswith(('.h', '.cc', '.proto')):
                    yield os.path.relpath(os.path.join(folder, name), root)


def includes_of(path):
    pattern = re.compile(
        r'^\s*import\s+(?:public\s+|weak\s+)?(")([^"]+)"' if path.endswith('.proto')
        else r'^\s*#\s*include\s*([<"])([^>"]+)[>"]')
    with open(path, encoding='utf-8') as lines:
        for number, line in enumerate(lines, 1):
            match = pattern.match(line)
            if match:
                yield number, match.group(1) == '"', match.group(2)


def offence_of_include(file, quoted, header):
    """Why `file` must not include `header`, or None."""
    room = file.split('/')[0]
    if any(file.startswith(f) and header == h for f, h in INCLUDE_EXCEPTIONS):
        return None
    if header.split('/')[0] in ROOMS:
        if not header.startswith(MAY_USE[room]):
            return f'{room} may use only {", ".join(MAY_USE[room])}'
        return None
    if header.split('/')[0] == 'tests':
        return 'no room may use the tests'
    if quoted and '/' not in header:
        return 'our own includes start with the room'
    if room == 'core' and header not in CORE_MAY_INCLUDE and not file.endswith('.proto'):
        return 'not on the list of what core may include (tests/rooms_test.py)'
    if room in ('core', 'storage', 'sim') and NOT_DETERMINISTIC.match(header):
        return f'{room} must be deterministic'
    if GRPC.match(header) and (room not in ('net', 'server') or file.startswith('net/codec')):
        return 'must build without gRPC'
    return None


def include_offences(root, room):
    found = []
    for file in source_files(root):
        if not file.startswith(room + '/'):
            continue
        for number, quoted, header in includes_of(os.path.join(root, file)):
            why = offence_of_include(file, quoted, header)
            if why:
                found.append(f'{file}:{number}: includes {header}: {why}')
    return found


def run(*command):
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def demangle(names):
    names = sorted(names)
    if not names:
        return {}
    out = subprocess.run(['c++filt'], input='\n'.join(names), check=True, capture_output=True,
                         text=True).stdout
    return dict(zip(names, out.splitlines()))


def imports_of(archive):
    """[(object file, symbol)]: undefined in one of the archive's objects, and defined in none."""
    defined, undefined = set(), []
    for line in run('nm', '--print-file-name', archive).splitlines():
        place, _, rest = line.partition(': ')
        if not rest:
            continue
        *_, kind, name = rest.split()
        if kind in 'Uwv':
            undefined.append((os.path.basename(place.split(':')[-1]), name))
        else:
            defined.add(name)
    return [(object_, name) for object_, name in undefined if name not in defined]


def import_offences(archive, room):
    imports = imports_of(archive)
    readable = demangle({name for _, name in imports})
    found = []
    for object_, name in imports:
        if any(room == r and re.search(o, object_) and re.search(s, readable[name])
               for r, o, s in IMPORT_EXCEPTIONS):
            continue
        if name.startswith('_Z'):
            bad = IMPURE_CPP.search(readable[name]) or (
                room == 'core' and CORE_IMPURE_CPP.search(readable[name]))
        elif room == 'core':
            bad = not CORE_MAY_IMPORT_FROM_C.match(name)
        else:
            bad = IMPURE_C.match(name)
        if bad:
            found.append(f'{object_} imports {readable[name]}')
    return found


def declared_const(text, name):
    """Whether `text` declares `name` as a constant. A pointer must itself be const."""
    for line in re.findall(rf'^.*\b{re.escape(name)}\b.*$', text, re.MULTILINE):
        before = re.split(rf'\b{re.escape(name)}\b', line)[0]
        before = re.split(r'[;{}]', before)[-1]  # the declaration alone
        while '<' in before and before != (stripped := re.sub(r'<[^<>]*>', '', before)):
            before = stripped  # a template's arguments say nothing of the object
        if re.search(r'\*\s*const\s*$', before) or (
                re.search(r'\bconst(expr)?\b', before) and not re.search(r'[*(]', before)):
            return True
    return False


def static_state(archive, room, text):
    """Objects of ours that a program could change, outside of any function's frame. `text` is the
    room's source: a constant that is made at run time lies among variables."""
    found = []
    object_ = ''
    for line in run('objdump', '--syms', '--demangle', archive).splitlines():
        if ': ' in line and 'file format' in line:
            object_ = os.path.basename(line.split(':')[0])
            continue
        match = re.match(r'^[0-9a-f]+ .{7} (\S+)\s+[0-9a-f]+\s+(?:\.hidden )?(.*)$', line)
        if not match or object_.endswith('.pb.cc.o'):
            continue  # Protobuf's default instances are filled before main() and never again.
        section, name = match.groups()
        writable = re.match(r'^\.(data|bss|tdata|tbss)(\.|$)', section)
        if (not writable or section.startswith('.data.rel.ro') or 'lockstep::' not in name
                or name.startswith('guard variable for ')):
            continue
        if not declared_const(text, re.sub(r'\[abi:\w+\]', '', name).split('::')[-1]):
            found.append(f'{object_}: {name} in {section}')
    return found


def text_of(root, room):
    text = []
    for file in source_files(root):
        if file.startswith(room + '/'):
            with open(os.path.join(root, file), encoding='utf-8') as source:
                text.append(source.read())
    return '\n'.join(text)


# Includes that must be found: file, line, and whether it is an offence.
PLANTED_INCLUDES = [
    ('core/raft/a.h', '#include "storage/log_store.h"', True),
    ('core/raft/a.cc', '#include <chrono>', True),
    ('core/raft/b.cc', '  #  include <unordered_map>', True),
    ('core/raft/c.cc', '#include <mutex>', True),
    ('core/raft/d.cc', '#include <fstream>', True),
    ('core/kv/a.cc', '#include "absl/container/flat_hash_map.h"', True),
    ('core/kv/b.cc', '#include "types.h"', True),
    ('core/kv/c.cc', '#include <sqlite3.h>', True),
    ('core/kv/command.proto', 'import "net/peer.proto";', True),
    ('core/kv/d.cc', '// #include <thread>', False),
    ('core/kv/e.cc', '#include "core/types.h"', False),
    ('core/kv/f.cc', '#include <map>', False),
    ('storage/a.cc', '#include "net/codec.h"', True),
    ('storage/b.cc', '#include <random>', True),
    ('storage/c.cc', '#include "core/replica.h"', False),
    ('net/a.cc', '#include "storage/log_store.h"', True),
    ('net/b.cc', '#include <grpcpp/grpcpp.h>', False),
    ('net/codec.cc', '#include <grpcpp/grpcpp.h>', True),
    ('sim/a.cc', '#include "net/peer_transport.h"', True),
    ('sim/b.cc', '#include "server/driver.h"', True),
    ('sim/c.cc', '#include "absl/time/clock.h"', True),
    ('sim/d.cc', '#include "net/codec.h"', False),
    ('server/a.cc', '#include "sim/world.h"', True),
    ('server/b.cc', '#include <thread>', False),
]

# C functions that core must not import, each called in a planted sample.
PLANTED_C = ('clock_gettime', 'gettimeofday', 'time', 'nanosleep', 'usleep', 'open', 'fopen', 'read',
             'write', 'socket', 'pthread_create', 'pthread_mutex_lock', 'getrandom', 'rand',
             'getenv', 'fsync', 'sqlite3_open')

# C++ that core must not import: what the sample does, and what must then be found.
PLANTED_CPP = [
    ('#include <chrono>', 'std::chrono::steady_clock::now();', 'std::chrono::_V2::steady_clock'),
    ('#include <chrono>', 'std::chrono::system_clock::now();', 'std::chrono::_V2::system_clock'),
    ('#include <thread>', 'std::thread([] {}).join();', 'std::thread'),
    ('#include <random>', 'std::random_device()();', 'std::random_device'),
    ('#include <fstream>', 'std::ofstream("x") << 1;', 'std::basic_ofstream'),
    ('#include <iostream>', 'std::cerr << 1;', 'std::cerr'),
    ('#include <condition_variable>', 'std::condition_variable().notify_all();',
     'std::condition_variable'),
    ('#include <unordered_map>', 'std::unordered_map<int, int> m; m[1] = 2;',
     '_Prime_rehash_policy'),
]

PLANTED_STATICS = '''
namespace lockstep {
int counter;
thread_local int per_thread = 3;
int Next() { static int last = 0; return ++last + ++counter + ++per_thread; }
const char* pointer = "to a constant";
const char* Pointer() { return pointer; }
void Point(const char* at) { pointer = at; }
extern const char* const kNames[];
const char* const kNames[] = {"a constant that needs relocation", "is none"};
int Size() { static const int size = Next(); return size; }
int Pure(int x) { return x + 1; }
}
'''


class Tap:
    def __init__(self):
        self.count, self.failed = 0, 0

    def check(self, name, complaints):
        self.count += 1
        self.failed += bool(complaints)
        print(f'{"not ok" if complaints else "ok"} {self.count} - {name}')
        for complaint in complaints:
            print(f'#   {complaint}')

    def finish(self):
        print(f'1..{self.count}')
        return 1 if self.failed else 0


def compile_archive(compiler, folder, name, text):
    source, object_ = os.path.join(folder, name + '.cc'), os.path.join(folder, name + '.o')
    archive = os.path.join(folder, f'lib{name}.a')
    with open(source, 'w', encoding='utf-8') as out:
        out.write(text)
    run(*compiler, '-std=c++20', '-w', '-O0', '-c', source, '-o', object_)
    run('ar', 'cr', archive, object_)
    return archive


def check_planted_includes(tap):
    with tempfile.TemporaryDirectory() as root:
        for file, line, _ in PLANTED_INCLUDES:
            os.makedirs(os.path.dirname(os.path.join(root, file)), exist_ok=True)
            with open(os.path.join(root, file), 'w', encoding='utf-8') as out:
                out.write(line + '\n')
        found = {offence.split(':')[0] for room in ROOMS for offence in include_offences(root, room)}
        tap.check('finds every planted include, and no harmless one', [
            f'{file}: {line}: ' + ('not found' if bad else 'taken for an offence')
            for file, line, bad in PLANTED_INCLUDES if bad != (file in found)])


def check_planted_symbols(tap, compiler):
    with tempfile.TemporaryDirectory() as folder:
        calls = ''.join(f'extern "C" int {name}(...);\nint Use_{name}() {{ return {name}(0); }}\n'
                        for name in PLANTED_C)
        found = '\n'.join(import_offences(compile_archive(compiler, folder, 'c', calls), 'core'))
        tap.check('finds every planted call into C', [
            f'{name}: not found' for name in PLANTED_C
            if not re.search(rf'imports {name}$', found, re.MULTILINE)])

        headers = '\n'.join(header for header, _, _ in PLANTED_CPP)
        uses = ''.join(f'void Use{i}() {{ {use} }}\n' for i, (_, use, _) in enumerate(PLANTED_CPP))
        found = '\n'.join(
            import_offences(compile_archive(compiler, folder, 'cpp', headers + '\n' + uses), 'core'))
        tap.check('finds every planted use of an impure part of C++', [
            f'{use}: {symbol} not found' for _, use, symbol in PLANTED_CPP if symbol not in found])

        pure = compile_archive(compiler, folder, 'pure', '''#include <map>
#include <memory>
#include <string>
std::map<std::string, std::shared_ptr<int>> m() { return {{"a", std::make_shared<int>(1)}}; }
''')
        tap.check('takes no pure code for impure', import_offences(pure, 'core'))

        found = ' '.join(
            static_state(compile_archive(compiler, folder, 'statics', PLANTED_STATICS), 'core',
                         PLANTED_STATICS))
        tap.check('finds planted static state, and no constant', [
            f'{name}: not found' for name in ('counter', 'per_thread', 'Next()::last', 'pointer')
            if name not in found] + [
                f'{name}: taken for state' for name in ('kNames', 'Size()::size') if name in found])


def main():
    arguments, compiler = sys.argv[1:], []
    if '--' in arguments:
        split = arguments.index('--')
        arguments, compiler = arguments[:split], arguments[split + 1:]
    root, binaries = arguments[0], arguments[1:]

    tap = Tap()
    for room in ROOMS:
        tap.check(f'{room} includes only what it may', include_offences(root, room))
    for binary in binaries:
        name = os.path.basename(binary)
        if name.endswith('.a'):
            room = name[len('lib'):-len('.a')].split('_')[0]  # libcore_proto.a: core
            tap.check(f'{name} imports nothing impure', import_offences(binary, room))
            tap.check(f'{name} has no static state', static_state(binary, room, text_of(root, room)))
        else:
            needed = re.findall(r'NEEDED\s+(\S+)', run('objdump', '--private-headers', binary))
            tap.check(f'{name} is linked without gRPC',
                      [f'needs {library}' for library in needed if 'grpc' in library])
    check_planted_includes(tap)
    if compiler:
        check_planted_symbols(tap, compiler)
    return tap.finish()


if __name__ == '__main__':
    sys.exit(main())
