# `make install` and `make uninstall`, included by the Makefile: what goes where. What a build makes is installed as it was
# built: root, who installs as a rule, needs no cargo. Folders have the GNU names, written in capitals.

PREFIX = /usr/local
EXEC_PREFIX = $(PREFIX)
LIBDIR = $(EXEC_PREFIX)/lib
INCLUDEDIR = $(PREFIX)/include
DATAROOTDIR = $(PREFIX)/share
MANDIR = $(DATAROOTDIR)/man
DOCDIR = $(DATAROOTDIR)/doc/libqmp
PKGCONFIGDIR = $(LIBDIR)/pkgconfig
CMAKEDIR = $(LIBDIR)/cmake/libqmp
DESTDIR =

INSTALL = install
INSTALL_PROGRAM = $(INSTALL) -m 755
INSTALL_DATA = $(INSTALL) -m 644
STRIP = strip

# The C header, and those of other languages that wrap it, as they stand below include.
HEADERS = $(patsubst include/%,%,$(wildcard include/*.h include/*.hpp include/libqmp/*.hpp))
DOCUMENTS = README.md CHANGELOG.md LICENSE-APACHE LICENSE-MIT $(wildcard docs/*.md)
EXAMPLE_SOURCES = $(wildcard examples-c/*.c)
# A page for the library, each function and each type of a callback.
MAN_PAGES = libqmp $(shell cat abi/symbols) $(shell grep '^typedef' include/libqmp.h | grep -o 'qmp_[a-z_]*_cb')
# libqmp.pc.in says what libqmp.a needs beside it.
STATIC_LIBS := $(shell sed -n 's/^Libs.private: //p' libqmp.pc.in)
LIBRARY_FILE = libqmp.so.$(LIBRARY_VERSION)

# What the templates say: paths below the prefixes are given relative to them, so that an installation can be moved.
#   $(call below,FOLDER,PREFIX,NAME OF PREFIX)
below = $(if $(filter $(2)/%,$(1)),$(3)$(patsubst $(2)%,%,$(1)),$(1))
PC_EXEC_PREFIX = $(if $(filter $(PREFIX),$(EXEC_PREFIX)),$${prefix},$(call below,$(EXEC_PREFIX),$(PREFIX),$${prefix}))
PC_LIBDIR = $(call below,$(LIBDIR),$(EXEC_PREFIX),$${exec_prefix})
PC_INCLUDEDIR = $(call below,$(INCLUDEDIR),$(PREFIX),$${prefix})
FILL = sed -e 's|@prefix@|$(PREFIX)|; s|@exec_prefix@|$(PC_EXEC_PREFIX)|; s|@libdir@|$(PC_LIBDIR)|' \
    -e 's|@includedir@|$(PC_INCLUDEDIR)|; s|@version@|$(VERSION)|; s|@static_libs@|$(STATIC_LIBS)|' \
    -e "s|@cmake_to_libdir@|$$(realpath -m --relative-to=$(CMAKEDIR) $(LIBDIR))|" \
    -e "s|@cmake_to_includedir@|$$(realpath -m --relative-to=$(CMAKEDIR) $(INCLUDEDIR))|" \
    -e 's|@library_file@|$(LIBRARY_FILE)|; s|@soname@|libqmp.so.$(SOVERSION)|'

# What is installed, but for the libraries and their links.
INSTALLED = $(addprefix $(INCLUDEDIR)/,$(HEADERS)) $(PKGCONFIGDIR)/libqmp.pc \
    $(CMAKEDIR)/libqmpConfig.cmake $(CMAKEDIR)/libqmpConfigVersion.cmake \
    $(MAN_PAGES:%=$(MANDIR)/man3/%.3) \
    $(addprefix $(DOCDIR)/,$(notdir $(DOCUMENTS)) $(EXAMPLE_SOURCES:examples-c/%=examples/%))
LIBRARIES = $(LIBRARY_FILE) libqmp.so.$(SOVERSION) libqmp.so libqmp.a
# Folders that are ours alone, the inner ones first.
OWN_FOLDERS = $(CMAKEDIR) $(DOCDIR)/examples $(DOCDIR) $(INCLUDEDIR)/libqmp

.PHONY: install install-strip uninstall

# Builds only what was never built: no files of root's in a user's build folder.
$(RELEASE)/libqmp.so:
	$(MAKE) library
$(BUILD)/man/libqmp.3:
	$(MAKE) man

install: $(RELEASE)/libqmp.so $(BUILD)/man/libqmp.3
	$(INSTALL) -d $(addprefix $(DESTDIR),$(LIBDIR) $(PKGCONFIGDIR) $(CMAKEDIR) $(MANDIR)/man3 $(DOCDIR)/examples)
	for header in $(HEADERS); do \
	    $(INSTALL_DATA) -D include/$$header $(DESTDIR)$(INCLUDEDIR)/$$header || exit 1; \
	done
	$(INSTALL_PROGRAM) $(RELEASE)/libqmp.so $(DESTDIR)$(LIBDIR)/$(LIBRARY_FILE)
	ln -sf $(LIBRARY_FILE) $(DESTDIR)$(LIBDIR)/libqmp.so.$(SOVERSION)
	ln -sf libqmp.so.$(SOVERSION) $(DESTDIR)$(LIBDIR)/libqmp.so
	$(INSTALL_DATA) $(RELEASE)/libqmp.a $(DESTDIR)$(LIBDIR)/libqmp.a
	$(FILL) libqmp.pc.in >$(DESTDIR)$(PKGCONFIGDIR)/libqmp.pc
	$(FILL) packaging/cmake/libqmpConfig.cmake.in >$(DESTDIR)$(CMAKEDIR)/libqmpConfig.cmake
	$(FILL) packaging/cmake/libqmpConfigVersion.cmake.in >$(DESTDIR)$(CMAKEDIR)/libqmpConfigVersion.cmake
	chmod 644 $(DESTDIR)$(PKGCONFIGDIR)/libqmp.pc $(DESTDIR)$(CMAKEDIR)/libqmpConfig*.cmake
	$(INSTALL_DATA) $(MAN_PAGES:%=$(BUILD)/man/%.3) $(DESTDIR)$(MANDIR)/man3
	$(INSTALL_DATA) $(DOCUMENTS) $(DESTDIR)$(DOCDIR)
	$(INSTALL_DATA) $(EXAMPLE_SOURCES) $(DESTDIR)$(DOCDIR)/examples

# Without what a debugger and a backtrace show of the source.
install-strip: install
	$(STRIP) --strip-unneeded $(DESTDIR)$(LIBDIR)/$(LIBRARY_FILE)
	$(STRIP) --strip-debug $(DESTDIR)$(LIBDIR)/libqmp.a

uninstall:
	rm -f $(addprefix $(DESTDIR)$(LIBDIR)/,$(LIBRARIES)) $(addprefix $(DESTDIR),$(INSTALLED))
	for folder in $(addprefix $(DESTDIR),$(OWN_FOLDERS)); do \
	    [ ! -d $$folder ] || rmdir --ignore-fail-on-non-empty $$folder || exit 1; \
	done
