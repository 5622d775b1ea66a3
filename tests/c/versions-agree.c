/* The library that runs is the one that the header describes. */
#include "harness.h"

int main(void)
{
    char text[32];

    snprintf(text, sizeof text, "%d.%d.%d", LIBQMP_VERSION_MAJOR, LIBQMP_VERSION_MINOR, LIBQMP_VERSION_PATCH);
    CHECK_STR(LIBQMP_VERSION_STRING, text);
    CHECK_STR(qmp_version_string(), LIBQMP_VERSION_STRING);
    CHECK_INT(qmp_version(), LIBQMP_VERSION);
    return 0;
}
