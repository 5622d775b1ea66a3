module libqmp/qmp

go 1.19
