# What the examples of Perl's PC/SC wrapper do: every function of Chipcard::PCSC and Chipcard::PCSC::Card.
# Prints what it saw, a line each.

use strict;
use warnings;
use Chipcard::PCSC;
use Chipcard::PCSC::Card;

$| = 1;

sub show {
    my ($what, @values) = @_;
    print "$what: ", join( ' ', map { defined $_ ? $_ : "error $Chipcard::PCSC::errno" } @values ), "\n";
}

my $context = Chipcard::PCSC->new() or die "no context: $Chipcard::PCSC::errno\n";
my @readers = $context->ListReaders();
show( 'readers', @readers );
my @states = map { { reader_name => $_, current_state => $Chipcard::PCSC::SCARD_STATE_UNAWARE } } @readers;
show( 'states', $context->GetStatusChange( \@states, 0 ) );
show( $_->{reader_name}, $_->{event_state} & 0xffff, unpack( 'H*', pack( 'C*', @{ $_->{ATR} || [] } ) ) ) for @states;
$_->{current_state} = $_->{event_state} for @states;
show( 'nothing new', $context->GetStatusChange( \@states, 100 ), $Chipcard::PCSC::errno );

my $any = $Chipcard::PCSC::SCARD_PROTOCOL_T0 | $Chipcard::PCSC::SCARD_PROTOCOL_T1;
for my $share ( $Chipcard::PCSC::SCARD_SHARE_SHARED, $Chipcard::PCSC::SCARD_SHARE_EXCLUSIVE ) {
    my $card = Chipcard::PCSC::Card->new( $context, $readers[0], $share, $any ) or die "no card\n";
    show( 'protocol', $card->{dwProtocol} );
    my @status = $card->Status();
    show( 'status', $status[0], $status[1] & 0xffff, $status[2] );
    show( 'begin', $card->BeginTransaction() );
    for my $apdu ( '00 A4 00 00 02 3F 00', '80 E0 00 00 03 01 02 03', '80 E2 01 2C 00' ) {
        my $answer = $card->Transmit( Chipcard::PCSC::ascii_to_array($apdu) );
        show( $apdu, defined $answer ? Chipcard::PCSC::array_to_ascii($answer) : undef );
        my ( $sw, $data ) = $card->TransmitWithCheck( $apdu, '90 00|6A 82', 0 );
        show( 'with check', $sw );
    }
    show( 'end', $card->EndTransaction($Chipcard::PCSC::SCARD_LEAVE_CARD) );
    show( 'control', $card->Control( 0x42000D48, [0] ) );
    show( 'reconnect', $card->Reconnect( $share, $any, $Chipcard::PCSC::SCARD_RESET_CARD ) );
    show( 'disconnect', $card->Disconnect($Chipcard::PCSC::SCARD_UNPOWER_CARD) );
}
my $none = Chipcard::PCSC::Card->new( $context, $readers[1], $Chipcard::PCSC::SCARD_SHARE_SHARED, $any );
show( 'an empty reader', $none );
print "done\n";
