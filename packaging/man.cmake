# PAGE with its @OPTIONS@ and @VERSION@ filled in becomes OUT.
file(READ ${OPTIONS} OPTIONS)
string(REGEX REPLACE "\n$" "" OPTIONS "${OPTIONS}")
configure_file(${PAGE} ${OUT} @ONLY)
