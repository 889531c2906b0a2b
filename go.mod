module edgewise.test

go 1.26
