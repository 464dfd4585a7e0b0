# The broker of a guest whose root is a stranger: takes the link from the guest's init, which it stops, and answers the host
# as it pleases, for SECONDS in each way that is named: perl hostile-broker.pl SECONDS WAY...
use strict;
use warnings;
use Time::HiRes 'time';

my ($seconds, @ways) = @ARGV;
$SIG{PIPE} = 'IGNORE';

# ptrace(PTRACE_SEIZE) and (PTRACE_INTERRUPT): init stands still until this process ends. pidfd_open, pidfd_getfd: its port.
syscall(101, 0x4206, 1, 0, 0) == 0 && syscall(101, 0x4207, 1, 0, 0) == 0 or die "cannot stop init: $!";
my $init = syscall(434, 1, 0);
my ($theirs) = grep { (readlink("/proc/1/fd/$_") // '') =~ /vport/ } 0 .. 255;
my $fd = syscall(438, $init, $theirs, 0);
open(my $port, '+<&=', $fd) or die "cannot open the port: $!";
binmode $port;

sub cobs {
    my $out = '';
    for my $run (split /\0/, $_[0], -1) {
        $out .= "\xff" . substr($run, 0, 254, '') while length $run >= 254;
        $out .= chr(1 + length $run) . $run;
    }
    return $out;
}

sub uncobs {
    my ($in, $out, $at) = ($_[0], '', 0);
    while ($at < length $in) {
        my $code = ord substr($in, $at, 1);
        $out .= substr($in, $at + 1, $code - 1);
        $at += $code;
        $out .= "\0" if $code < 255 && $at < length $in;
    }
    return $out;
}

sub packet { return cobs(pack('NN', $_[0], length $_[1]) . $_[1]) . "\0" }

# What the host says, as [channel, text]. Its hello is answered at once, or nothing else would be heard.
my ($said, $line, $end) = ('', '', 0);

sub listen_for {
    my ($wait, $answers_hello) = @_;
    vec(my $in = '', fileno $port, 1) = 1;
    return () unless select($in, undef, undef, $wait);
    my $got = sysread $port, $said, 65536, length $said;
    select undef, undef, undef, 0.01 unless $got;    # the host has hung up
    my @heard;
    while ($said =~ s/^([^\0]*)\0//s) {
        my $content = uncobs($1);
        next if length $content < 8;
        my ($channel, $text) = (unpack('N', $content), substr($content, 8));
        send_all(packet(1, $text)) if $answers_hello && $channel == 1 && $text =~ /hello/;
        push @heard, [$channel, $text];
    }
    return @heard;
}

# As much as the host takes before the time is up.
sub send_all {
    my ($bytes) = @_;
    my $at = 0;
    while ($at < length $bytes && time < $end) {
        my $put = syswrite $port, $bytes, 16384, $at;
        $at += $put // 0;
        next if $put;
        vec(my $out = '', fileno $port, 1) = 1;
        select undef, $out, undef, 0.05;
    }
}

# Pours the same over and over, in pieces that stop now and then to hear a hello.
sub pour {
    my ($bytes) = @_;
    $bytes x= 1 + int(262144 / length $bytes);
    while (time < $end) {
        listen_for(0, 1);
        send_all($bytes);
    }
}

# Answers every request with what the function makes of its number and method.
sub answer {
    my ($make) = @_;
    while (time < $end) {
        for (listen_for(0.05, 1)) {
            my ($channel, $text) = @$_;
            next unless $channel == 0;
            $line .= $text;
            while ($line =~ s/^([^\n]*)\n//) {
                my ($id) = $1 =~ /"id":(\d+)/;
                my ($method) = $1 =~ /"method":"([\w.]+)"/;
                send_all($_) for map { pieces($_) } $make->($id // 0, $method // '');
            }
        }
    }
}

# A control line, in packets; what is none goes as it is.
sub pieces {
    my ($text) = @_;
    return $text if $text =~ /\0$/;
    return map { packet(0, $_) } unpack '(a16000)*', "$text\n";
}

my $record = '{"machine":"host","kind":"vm","image":"","hostname":"x","state":"running","exit":null,"limits":{},'
  . '"labels":{},"created_ms":0,"pid":1,"terminals":[]}';
my %way = (
    zeros  => sub { pour("\0") },
    noise  => sub { pour(join '', map { chr int rand 256 } 1 .. 65536) },
    tiny   => sub { pour(packet(0, '') . packet(9, 'x')) },
    events => sub {
        my $event = '{"event":"terminal.exited","machine":"host","terminal":"1","kind":0,"status":0}';
        pour(packet(0, "$event\n" x 150));
    },
    closes => sub { pour(packet(1, '{"closed":2}')) },
    deep   => sub { pour(packet(1, '[' x 16000)) },
    long   => sub { pour(packet(0, 'x' x 16000)) },
    hellos => sub { answer(sub { packet(1, '{"hello":"another","version":7}') }) },
    ids    => sub {
        answer(sub { map { qq({"id":$_,"result":{}}) } 1e15, $_[0] + 1, ($_[0]) x 50 });
    },
    absurd => sub {
        answer(sub { map { qq({"id":$_,"result":{}}) } $_[0], '1e308', '-1', '"1"', 'null' });
    },
    crowds => sub {
        my $many = qq({"machines":[) . join(',', ($record) x 5000) . ']}';
        answer(sub { qq({"id":$_[0],"result":) . ($_[1] eq 'machine.list' ? $many : '{}') . '}' });
    },
    # Every terminal is said to be on the same few channels, and others' channels are written to.
    channels => sub {
        answer(
            sub {
                my ($id, $method) = @_;
                my $result = $method eq 'channel.open' ? '{"channel":' . (2 + $id % 3) . '}' : '{"terminal":"1"}';
                return (qq({"id":$id,"result":$result}),
                    map { packet($_, "\0\0\0\1\x82" . 'x' x 300) } 2 .. 9, 4294967295);
            }
        );
    },
    deaf => sub { listen_for(0, 1); select undef, undef, undef, $end - time if time < $end },
);

for my $name (@ways) {
    $end = time + $seconds;
    $line = '';
    $way{$name}->();
}
