function(ament_export_dependencies)
endfunction()

function(ament_package)
endfunction()

option(BUILD_TESTING "as CTest" ON)
